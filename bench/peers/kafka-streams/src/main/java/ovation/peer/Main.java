package ovation.peer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;

import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowBytesStoreSupplier;

/**
 * The workloads of `harness peers` on Kafka Streams: `--style processor` as fast as we know how to write them there, `--style dsl` as its guide
 * teaches it ({@link Dsl}).
 *
 * <p>How the first is written, and why so:
 * <ul>
 * <li>Processor API with panes and running sums. The DSL's hopping window of 5 minutes by 10 seconds would write every message into 30
 * windows, each of them a read and a write of a store and a record in its changelog.
 * <li>What is read lives on the heap, in the structure that fits (see {@link Board}, {@link Engagement}, {@link Candles}); a store has what must
 * survive, and is only written to: one put for each message, of what a restart needs to make the heap again ({@link ChatProcessor}). Reads of
 * a store, and a deletion for each message that expires, would double the cost: a window store drops what is old by whole segments.
 * <li>Chat is decoded by a projection of the schema ({@link ChatReader}).
 * </ul>
 *
 * <p>What it does not do and Ovation does: remember ids to drop duplicates, labels, ranks before, and (of candles) all fields but the ten.
 */
public final class Main {
    static final String BOARD_AND_ENGAGEMENT_LOG = "messages";
    static final String CANDLES = "candles";
    /** The longest window, and room for what comes late. */
    private static final Duration RETENTION = Duration.ofMinutes(6);

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        KafkaStreams streams = new KafkaStreams(isDsl(options) ? Dsl.topology(options) : topology(options), settings(options));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
        streams.start();
    }

    private static boolean isDsl(Map<String, String> options) {
        return options.get("style").equals("dsl");
    }

    private static Topology topology(Map<String, String> options) {
        String workload = options.get("workload");
        String results = options.get("results");
        boolean isInMemory = options.get("stores").equals("memory");
        Registry registry = new Registry(options.get("registry"));
        Topology topology = new Topology();
        Set<String> ofChat = Set.of("w1", "w2", "w4");
        if (ofChat.contains(workload)) {
            WindowBytesStoreSupplier store = isInMemory
                ? Stores.inMemoryWindowStore(BOARD_AND_ENGAGEMENT_LOG, RETENTION, Duration.ofMillis(1), false)
                : Stores.persistentWindowStore(BOARD_AND_ENGAGEMENT_LOG, RETENTION, Duration.ofMillis(1), false);
            topology.addSource("chat", new ByteArrayDeserializer(), new ByteArrayDeserializer(), "events.chat")
                .addProcessor("audience", () -> new ChatProcessor(registry, views(workload)), "chat")
                // No cache: each message has a key of its own, so there is nothing to be written over.
                .addStateStore(
                    Stores.windowStoreBuilder(store, Serdes.Long(), Serdes.ByteArray()).withLoggingEnabled(Map.of()),
                    "audience")
                .addSink("audience-results", results, new ByteArraySerializer(), new ByteArraySerializer(), "audience");
        }
        if (workload.equals("w3") || workload.equals("w4")) {
            KeyValueBytesStoreSupplier store =
                isInMemory ? Stores.inMemoryKeyValueStore(CANDLES) : Stores.persistentKeyValueStore(CANDLES);
            topology.addSource("trades", new ByteArrayDeserializer(), new ByteArrayDeserializer(), "events.trades")
                .addProcessor("markets", () -> new Candles(registry), "trades")
                // Cached: all trades of a candle between two commits become one write.
                .addStateStore(
                    Stores.keyValueStoreBuilder(store, Serdes.String(), Serdes.ByteArray()).withCachingEnabled(),
                    "markets")
                .addSink("market-results", results, new ByteArraySerializer(), new ByteArraySerializer(), "markets");
        }
        return topology;
    }

    private static List<View> views(String workload) {
        return switch (workload) {
            case "w1" -> List.of(new Board());
            case "w2" -> List.of(new Engagement());
            default -> List.of(new Board(), new Engagement());
        };
    }

    private static Properties settings(Map<String, String> options) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("application"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("brokers"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createDirectories(Path.of(options.get("state"))).toString());
        // What Ovation is configured with: one worker, a commit every 100 ms (the default of exactly-once here too), exactly once.
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        // (two workers where there are two jobs).
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("workload").equals("w4") ? 2 : 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        // Static membership: a restart does not wait for the member that it was.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG), options.get("application"));
        // Event time is in the value, in microseconds; windows follow it (see View). The changelog's records get the time of their
        // writing, or the broker would delete those of an old recording.
        if (isDsl(options)) {
            settings.putAll(Dsl.settings(options));
        } else {
            settings.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, WallclockTimestampExtractor.class);
        }
        // From the guides to tuning: a cache that holds all that is written over between two commits, larger fetches and polls, larger
        // batches, LZ4. Checksums are not compared, as they are not by default in librdkafka.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 128L << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.CHECK_CRCS_CONFIG), false);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        return settings;
    }
}
