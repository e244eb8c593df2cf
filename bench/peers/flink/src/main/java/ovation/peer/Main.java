package ovation.peer;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerConfig;
import sun.misc.Signal;

/**
 * The workloads of `harness peers` on Flink: the DataStream API in one process, parallelism 1 (as one worker here).
 *
 * <p>How, and why so:
 * <ul>
 * <li>A board is a {@link BoardFunction} with panes and running sums for each channel: a sliding window of 5 minutes by 10 seconds would put every
 * message into 30 windows, and takes nothing back.
 * <li>Engagement is a tumbling window whose events wait for its end ({@link MinuteFunction}): what moderators take back depends on the order
 * of event time. Candles are a tumbling window with an aggregate ({@link CandleFunctions}); those of a minute are made from those of a second.
 * <li>State on the heap (`hashmap`): it fits, and RocksDB would be read and written for each event.
 * <li>Objects are reused along a chain; what goes from one thread to another or into a checkpoint is written by serializers made for it.
 * <li>Transactions are committed with checkpoints, as Flink does it: a result can be read once the checkpoint after it is complete.
 * </ul>
 *
 * <p>SIGTERM takes a last savepoint, which commits, and ends; after a kill it goes on from the newest checkpoint.
 */
public final class Main {
    private final Map<String, String> options;
    private final Path state;

    private Main(Map<String, String> options) {
        this.options = options;
        state = Path.of(options.get("state"));
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        new Main(options).run();
    }

    private void run() throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, settings());
        build(environment);
        JobClient job = environment.executeAsync("ovation-" + options.get("workload"));
        Signal.handle(new Signal("TERM"), signal -> new Thread(() -> stop(job)).start());
        try {
            job.getJobExecutionResult().get();
        } catch (ExecutionException error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private void stop(JobClient job) {
        try {
            job.stopWithSavepoint(false, state.resolve("savepoints").toUri().toString(), SavepointFormatType.NATIVE).get();
            Runtime.getRuntime().halt(128 + 15);
        } catch (InterruptedException | ExecutionException error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private Configuration settings() throws IOException {
        Configuration settings = new Configuration();
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        settings.set(PipelineOptions.GENERIC_TYPES, false);
        settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(Long.parseLong(options.get("checkpoint-ms"))));
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints().toUri().toString());
        settings.set(CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION, ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        settings.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
        settings.set(RestOptions.ADDRESS, "127.0.0.1");
        settings.set(RestOptions.BIND_PORT, "0");
        newestCheckpoint().ifPresent(path -> settings.set(StateRecoveryOptions.SAVEPOINT_PATH, path.toUri().toString()));
        return settings;
    }

    private Path checkpoints() throws IOException {
        return Files.createDirectories(state.resolve("checkpoints"));
    }

    /** Of a run before this one. A checkpoint is complete once its metadata is there. */
    private Optional<Path> newestCheckpoint() throws IOException {
        try (Stream<Path> all = Files.walk(checkpoints(), 3)) {
            return all.filter(path -> path.endsWith("_metadata"))
                .map(Path::getParent)
                .max(Comparator.comparing(path -> path.toFile().lastModified()));
        }
    }

    private void build(StreamExecutionEnvironment environment) {
        String workload = options.get("workload");
        boolean isBoard = workload.equals("w1") || workload.equals("w4");
        boolean isEngagement = workload.equals("w2") || workload.equals("w4");
        DataStream<byte[]> results = null;
        if (isBoard || isEngagement) {
            KeyedStream<ChatEvent, String> chat = environment
                .fromSource(source("events.chat", new Decoding.OfChat(options.get("registry"))), watermarks(ChatEvent::eventTime), "chat", Types.CHAT)
                .keyBy(ChatEvent::channel, TypeInformation.of(String.class));
            if (isBoard) {
                results = chat.process(new BoardFunction(), Types.BYTES);
            }
            if (isEngagement) {
                results = with(results, chat
                    .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
                    .process(new MinuteFunction(), Types.BYTES));
            }
        }
        if (workload.equals("w3") || workload.equals("w4")) {
            SingleOutputStreamOperator<Candle> seconds = environment
                .fromSource(source("events.trades", new Decoding.OfTrades(options.get("registry"))), watermarks(trade -> trade.place().time()), "trades", Types.TRADE)
                .keyBy(trade -> trade.venue() + ":" + trade.symbol(), TypeInformation.of(String.class))
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(1)))
                .aggregate(new CandleFunctions.OfTrades(), Types.CANDLE, Types.CANDLE);
            SingleOutputStreamOperator<Candle> minutes = seconds
                .keyBy(Candle::market, TypeInformation.of(String.class))
                .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
                .aggregate(new CandleFunctions.OfCandles(), Types.CANDLE, Types.CANDLE);
            results = with(results, seconds.map(Candle::result, Types.BYTES));
            results = with(results, minutes.map(Candle::result, Types.BYTES));
        }
        results.sinkTo(sink());
    }

    private static DataStream<byte[]> with(DataStream<byte[]> results, DataStream<byte[]> more) {
        return results == null ? more : results.union(more);
    }

    /** An event's time, in microseconds. */
    private interface EventTime<T> extends Serializable {
        long of(T event);
    }

    private static <T> WatermarkStrategy<T> watermarks(EventTime<T> time) {
        return WatermarkStrategy.<T>forBoundedOutOfOrderness(Duration.ofMillis(Windows.LATENESS / 1_000))
            .withTimestampAssigner((event, before) -> time.of(event) / 1_000);
    }

    /** Where a run before has committed, unless there is a checkpoint. Fetches and polls as for Kafka Streams here. */
    private <T> KafkaSource<T> source(String topic, KafkaRecordDeserializationSchema<T> decoding) {
        return KafkaSource.<T>builder()
            .setBootstrapServers(options.get("brokers"))
            .setGroupId(options.get("application"))
            .setTopics(topic)
            .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
            .setDeserializer(decoding)
            .setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "10000")
            .setProperty(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, String.valueOf(8 << 20))
            .setProperty(ConsumerConfig.RECEIVE_BUFFER_CONFIG, String.valueOf(1 << 20))
            .setProperty(ConsumerConfig.CHECK_CRCS_CONFIG, "false")
            .build();
    }

    private KafkaSink<byte[]> sink() {
        Properties producer = new Properties();
        // Not more than the broker allows; it must outlive a restart.
        producer.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, "600000");
        producer.put(ProducerConfig.LINGER_MS_CONFIG, "100");
        producer.put(ProducerConfig.BATCH_SIZE_CONFIG, String.valueOf(512 << 10));
        producer.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        producer.put(ProducerConfig.BUFFER_MEMORY_CONFIG, String.valueOf(128 << 20));
        return KafkaSink.<byte[]>builder()
            .setBootstrapServers(options.get("brokers"))
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(options.get("application"))
            .setKafkaProducerConfig(producer)
            .setRecordSerializer(new Encoding(options.get("results")))
            .build();
    }
}
