// Publishes one picture as one piece, from records.proto alone, with librdkafka.
//
// producer 127.0.0.1:9092 line-1 station-1 top disc P-4711 P-4711.png
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include <librdkafka/rdkafkacpp.h>

#include "records.pb.h"

namespace pb = inspection::v1;

class Report : public RdKafka::DeliveryReportCb {
 public:
  bool done = false;
  void dr_cb(RdKafka::Message& message) override {
    if (message.err() != RdKafka::ERR_NO_ERROR) {
      std::cerr << "not written: " << message.errstr() << "\n";
      return;
    }
    done = true;
    std::cout << "the piece is at offset " << message.offset() << " of partition " << message.partition() << "\n";
  }
};

static void set(RdKafka::Conf& conf, const std::string& key, const std::string& value) {
  std::string error;
  if (conf.set(key, value, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(key + ": " + error);
}

static std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

static std::string frame(char** words) {
  pb::CameraFrame frame;
  frame.mutable_inspection()->set_line(words[2]);
  frame.mutable_inspection()->set_station(words[3]);
  frame.mutable_inspection()->set_piece_id(words[6]);
  frame.set_camera(words[4]);
  frame.set_product(words[5]);
  const auto now = std::chrono::system_clock::now().time_since_epoch();  // of the exposure
  frame.set_capture_ns(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  const std::string path = words[7];
  const bool png = path.size() > 4 && path.substr(path.size() - 4) == ".png";
  frame.mutable_pixels()->set_format(png ? pb::PIXEL_FORMAT_PNG : pb::PIXEL_FORMAT_JPEG);
  frame.mutable_pixels()->set_data(read(path));
  return frame.SerializeAsString();
}

static int publish(char** words) {
  Report report;
  std::string error;
  std::unique_ptr<RdKafka::Conf> conf(RdKafka::Conf::create(RdKafka::Conf::CONF_GLOBAL));
  set(*conf, "bootstrap.servers", words[1]);
  set(*conf, "enable.idempotence", "true");
  set(*conf, "message.max.bytes", "8454144");           // max_record_bytes of the service, and room for headers
  set(*conf, "partitioner", "murmur2_random");          // librdkafka's own default puts a station elsewhere
  set(*conf, "message.timeout.ms", "30000");
  if (conf->set("dr_cb", &report, error) != RdKafka::Conf::CONF_OK) throw std::runtime_error(error);
  std::unique_ptr<RdKafka::Producer> producer(RdKafka::Producer::create(conf.get(), error));
  if (!producer) throw std::runtime_error(error);

  std::string value = frame(words);
  const std::string topic = std::string("inspection.") + words[2] + ".frames", station = words[3];
  RdKafka::Headers* headers = RdKafka::Headers::create();
  headers->add("inspection-type", "inspection.v1.CameraFrame");
  const RdKafka::ErrorCode code = producer->produce(
      topic, RdKafka::Topic::PARTITION_UA, RdKafka::Producer::RK_MSG_COPY, value.data(), value.size(),
      station.data(), station.size(), 0, headers, nullptr);
  if (code != RdKafka::ERR_NO_ERROR) {
    delete headers;
    throw std::runtime_error(RdKafka::err2str(code));   // a picture larger than a record: send an ImageReference
  }
  producer->flush(30000);
  return report.done ? 0 : 1;
}

int main(int count, char** words) {
  if (count != 8) {
    std::cerr << "usage: producer SERVERS LINE STATION CAMERA PRODUCT PIECE PICTURE\n";
    return 2;
  }
  try {
    return publish(words);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
