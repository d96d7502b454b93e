import com.google.protobuf.ByteString;
import inspector.protos.inspection.v1.CameraFrame;
import inspector.protos.inspection.v1.ImagePixels;
import inspector.protos.inspection.v1.Inspection;
import inspector.protos.inspection.v1.PixelFormat;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Publishes one picture as one piece, from records.proto alone.
 * Arguments: SERVERS LINE STATION CAMERA PRODUCT PIECE PICTURE
 */
public class Producer {
    public static void main(String[] words) throws Exception {
        if (words.length != 7) {
            System.err.println("usage: Producer SERVERS LINE STATION CAMERA PRODUCT PIECE PICTURE");
            System.exit(2);
        }
        String line = words[1], station = words[2];
        Properties options = new Properties();
        options.put("bootstrap.servers", words[0]);
        options.put("acks", "all");
        options.put("enable.idempotence", "true");
        options.put("max.request.size", String.valueOf(8 * 1024 * 1024 + 64 * 1024)); // a larger picture: ImageReference
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(options, bytes, bytes)) {
            byte[] key = station.getBytes(StandardCharsets.UTF_8); // hashed with murmur2 by default, as it must be
            byte[] value = frame(words).toByteArray();
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>("inspection." + line + ".frames", key, value);
            record.headers().add("inspection-type", "inspection.v1.CameraFrame".getBytes(StandardCharsets.UTF_8));
            RecordMetadata done = producer.send(record).get();
            System.out.println(words[5] + " is at offset " + done.offset() + " of partition " + done.partition());
        }
    }

    private static CameraFrame frame(String[] words) throws Exception {
        Inspection inspection =
                Inspection.newBuilder().setLine(words[1]).setStation(words[2]).setPieceId(words[5]).build();
        boolean png = words[6].endsWith(".png");
        ImagePixels pixels = ImagePixels.newBuilder()
                .setFormat(png ? PixelFormat.PIXEL_FORMAT_PNG : PixelFormat.PIXEL_FORMAT_JPEG)
                .setData(ByteString.copyFrom(Files.readAllBytes(Path.of(words[6]))))
                .build();
        Instant now = Instant.now(); // of the exposure
        return CameraFrame.newBuilder()
                .setInspection(inspection)
                .setCamera(words[3])
                .setProduct(words[4])
                .setCaptureNs(now.getEpochSecond() * 1_000_000_000L + now.getNano())
                .setPixels(pixels)
                .build();
    }
}
