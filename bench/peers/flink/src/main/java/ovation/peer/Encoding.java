package ovation.peer;

import java.nio.charset.StandardCharsets;

import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A result under its channel or market, which it begins with. */
final class Encoding implements KafkaRecordSerializationSchema<byte[]> {
    private final String topic;

    Encoding(String topic) {
        this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(byte[] result, KafkaSinkContext context, Long timestamp) {
        String first = Result.text(result, 1);
        String key = result[0] == 'C' ? first + ":" + Result.text(result, 3 + first.length()) : first;
        return new ProducerRecord<>(topic, null, timestamp, key.getBytes(StandardCharsets.UTF_8), result);
    }
}
