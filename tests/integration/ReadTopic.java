import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Writes every record of a topic to standard output, in the form of kcat's "%p %o %T %S\n%s".
 * Arguments: servers, topic, isolation level.
 */
public class ReadTopic {
    public static void main(String[] words) throws Exception {
        Properties options = new Properties();
        options.put("bootstrap.servers", words[0]);
        options.put("isolation.level", words[2]);
        options.put("enable.auto.commit", "false");
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> reader = new KafkaConsumer<>(options, bytes, bytes);
                OutputStream out = new BufferedOutputStream(System.out)) {
            List<TopicPartition> partitions = reader.partitionsFor(words[1]).stream()
                    .map(each -> new TopicPartition(each.topic(), each.partition())).collect(Collectors.toList());
            reader.assign(partitions);
            reader.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = reader.endOffsets(partitions);
            while (partitions.stream().anyMatch(each -> reader.position(each) < ends.get(each)))
                for (ConsumerRecord<byte[], byte[]> record : reader.poll(Duration.ofMillis(200))) write(out, record);
        }
    }

    private static void write(OutputStream out, ConsumerRecord<byte[], byte[]> record) throws Exception {
        byte[] value = record.value() == null ? new byte[0] : record.value();
        String head = record.partition() + " " + record.offset() + " " + record.timestamp() + " " + value.length + "\n";
        out.write(head.getBytes());
        out.write(value);
    }
}
