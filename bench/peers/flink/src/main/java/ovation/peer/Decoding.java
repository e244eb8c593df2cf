package ovation.peer;

import org.apache.flink.api.common.serialization.DeserializationSchema.InitializationContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Reads events as the other peer does. A record's time becomes that of its event, in milliseconds. */
final class Decoding {
    private Decoding() {}

    static final class OfChat implements KafkaRecordDeserializationSchema<ChatEvent> {
        private final String registry;
        private transient ChatReader reader;

        OfChat(String registry) {
            this.registry = registry;
        }

        @Override
        public void open(InitializationContext context) {
            reader = new ChatReader(new Registry(registry));
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<ChatEvent> out) {
            out.collect(reader.read(record.value(), Long.MIN_VALUE, record.offset()));
        }

        @Override
        public TypeInformation<ChatEvent> getProducedType() {
            return Types.CHAT;
        }
    }

    static final class OfTrades implements KafkaRecordDeserializationSchema<Trade> {
        private final String registry;
        private transient Trade.Reader reader;

        OfTrades(String registry) {
            this.registry = registry;
        }

        @Override
        public void open(InitializationContext context) {
            reader = new Trade.Reader(new Registry(registry));
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Trade> out) {
            out.collect(reader.read(record.value()));
        }

        @Override
        public TypeInformation<Trade> getProducedType() {
            return Types.TRADE;
        }
    }
}
