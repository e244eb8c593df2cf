package ovation.peer;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;

import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The same workloads as the guide to Kafka Streams teaches to write them: with the DSL, its windows and its stores.
 *
 * <p>A board is a hopping window over (channel, user), whose counts at the window's end are grouped again by channel; engagement is the same
 * with a window of a minute; candles are two tumbling windows over the trades of a market. What was tuned, or had to be:
 * <ul>
 * <li>{@link EmitStrategy#onWindowClose} for counts of users: nearly every update is of another user and window, so a cache would save nothing, and
 * suppressing would keep a second copy of each. A cache and {@link Suppressed} where few keys are updated often: all users of a channel's
 * board, all trades of a candle.
 * <li>Users stay in the partition of their channel. {@code groupBy} would spread them by their own name; a task then reads from all partitions of the
 * input, which are read at different speeds, and what comes from the slower ones is too late for its stream time and is dropped.
 * <li>Counts of a window get the window's last millisecond as their time, so that the window by which they are grouped again is over when the
 * first count of the next one comes.
 * <li>A board is kept as bytes; a count that does not make the first hundred changes only two sums in it.
 * </ul>
 *
 * <p>What it cannot do: take back the messages of a window when a moderator deletes them. A windowed aggregate only adds; so it is compared on
 * chat in which nothing is taken back. And it says nothing of a window in which nobody wrote.
 */
final class Dsl {
    private static final Duration GRACE = Duration.ofMillis(Windows.LATENESS / 1_000);

    private final Map<String, String> options;
    private final Registry registry;
    private final StreamsBuilder builder = new StreamsBuilder();

    private Dsl(Map<String, String> options) {
        this.options = options;
        registry = new Registry(options.get("registry"));
    }

    /** What `harness peers` must wait for besides the inputs are the topics of the repartitions: `users`, `boards`, `minutes`. */
    static Topology topology(Map<String, String> options) {
        Dsl dsl = new Dsl(options);
        String workload = options.get("workload");
        boolean isBoard = workload.equals("w1") || workload.equals("w4");
        boolean isEngagement = workload.equals("w2") || workload.equals("w4");
        if (isBoard || isEngagement) {
            KGroupedStream<String, Long> users = dsl.users();
            if (isBoard) {
                dsl.boards(users);
            }
            if (isEngagement) {
                dsl.engagement(users);
            }
        }
        if (workload.equals("w3") || workload.equals("w4")) {
            dsl.candles();
        }
        return dsl.builder.build();
    }

    /** Stores in memory or in RocksDB. */
    static Class<?> stores(Map<String, String> options) {
        return options.get("stores").equals("memory") ? InMemoryDslStoreSuppliers.class : RocksDBDslStoreSuppliers.class;
    }

    /** The time of each message, by channel and user. */
    private KGroupedStream<String, Long> users() {
        ThreadLocal<ChatReader> reader = ThreadLocal.withInitial(() -> new ChatReader(registry));
        Serde<ChatEvent> serde = serde(null, bytes -> reader.get().read(bytes, Long.MIN_VALUE, 0));
        Consumed<String, ChatEvent> chat = Consumed.with(Serdes.String(), serde)
            .withTimestampExtractor((record, before) -> ((ChatEvent) record.value()).eventTime() / 1_000);
        return builder.stream("events.chat", chat)
            .filter((channel, event) -> event.isOfUser())
            .map((channel, event) -> KeyValue.pair(event.channel() + '\0' + event.user(), event.eventTime()))
            .repartition(Repartitioned.<String, Long>as("users").withKeySerde(Serdes.String()).withValueSerde(Serdes.Long())
                .withStreamPartitioner((topic, key, time, partitions) -> Optional.of(Set.of(partition(key, partitions)))))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.Long()));
    }

    /** Where events of this channel are. */
    private static int partition(String channelAndUser, int partitions) {
        byte[] channel = channelAndUser.substring(0, channelAndUser.indexOf('\0')).getBytes(StandardCharsets.UTF_8);
        return Utils.toPositive(Utils.murmur2(channel)) % partitions;
    }

    private void boards(KGroupedStream<String, Long> users) {
        TimeWindows window = TimeWindows.ofSizeAndGrace(millis(Windows.LENGTH), GRACE).advanceBy(millis(Windows.SLIDE));
        KStream<Windowed<String>, Top> boards = counts(users, window, "boards")
            .groupByKey(Grouped.with(Serdes.String(), serde(UserCount::toBytes, UserCount::of)))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(millis(Windows.SLIDE)))
            .aggregate(() -> Top.NOBODY, (channel, user, top) -> top.with(user), store("board", serde(Top::toBytes, Top::of)))
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
            .toStream();
        publish(boards, (channel, top) -> top.result(channel.key(), channel.window().end() * 1_000));
    }

    private void engagement(KGroupedStream<String, Long> users) {
        TimeWindows window = TimeWindows.ofSizeAndGrace(millis(Windows.MINUTE), GRACE);
        // Messages and chatters; the time of the last message is not needed.
        KStream<Windowed<String>, Tally> minutes = counts(users, window, "minutes")
            .groupByKey(Grouped.with(Serdes.String(), serde(UserCount::toBytes, UserCount::of)))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(millis(Windows.MINUTE)))
            .aggregate(
                () -> new Tally(0, 0),
                (channel, user, tally) -> new Tally(tally.count() + user.count(), tally.last() + 1),
                store("minute", serde(Tally::toBytes, Tally::of)))
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
            .toStream();
        publish(minutes, (channel, tally) -> new Result('E').text(channel.key()).number(channel.window().end() * 1_000)
            .number(tally.count()).number(tally.last()).bytes());
    }

    /** How many messages each user has in a window that has ended, by channel, at the end of the window. */
    private static KStream<String, UserCount> counts(KGroupedStream<String, Long> users, TimeWindows window, String name) {
        return users.windowedBy(window)
            .emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(
                () -> new Tally(0, Long.MIN_VALUE),
                (user, time, tally) -> new Tally(tally.count() + 1, Math.max(tally.last(), time)),
                store("users-of-" + name, serde(Tally::toBytes, Tally::of)))
            .toStream()
            .process(() -> new ContextualProcessor<Windowed<String>, Tally, String, UserCount>() {
                @Override
                public void process(Record<Windowed<String>, Tally> record) {
                    String key = record.key().key();
                    int end = key.indexOf('\0');
                    UserCount count = new UserCount(key.substring(end + 1), record.value().count(), record.value().last());
                    context().forward(new Record<>(key.substring(0, end), count, record.key().window().end() - 1));
                }
            })
            .repartition(Repartitioned.<String, UserCount>as(name).withKeySerde(Serdes.String())
                .withValueSerde(serde(UserCount::toBytes, UserCount::of)));
    }

    private void candles() {
        ThreadLocal<Trade.Reader> reader = ThreadLocal.withInitial(() -> new Trade.Reader(registry));
        Serde<Trade> serde = serde(null, bytes -> reader.get().read(bytes));
        Consumed<String, Trade> source = Consumed.with(Serdes.String(), serde)
            .withTimestampExtractor((record, before) -> ((Trade) record.value()).place().time() / 1_000);
        KGroupedStream<String, Trade> trades = builder.stream("events.trades", source).groupByKey(Grouped.with(Serdes.String(), serde));
        for (long interval : new long[] {Windows.SECOND, Windows.MINUTE}) {
            KStream<Windowed<String>, Candle> candles = trades
                .windowedBy(TimeWindows.ofSizeAndGrace(millis(interval), GRACE))
                .<Candle>aggregate(
                    () -> null,
                    (market, trade, candle) -> {
                        Candle with = candle == null ? Candle.around(trade, interval) : candle;
                        with.add(trade);
                        return with;
                    },
                    store("candles-" + interval / Windows.SECOND, serde(Candle::toBytes, Candle::of)))
                .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
                .toStream();
            publish(candles, (market, candle) -> candle.result());
        }
    }

    private <T> void publish(KStream<Windowed<String>, T> results, BiFunction<Windowed<String>, T, byte[]> bytes) {
        results.map((key, value) -> KeyValue.pair(key.key(), bytes.apply(key, value)))
            .to(options.get("results"), Produced.with(Serdes.String(), Serdes.ByteArray()));
    }

    private static <T> Materialized<String, T, WindowStore<Bytes, byte[]>> store(String name, Serde<T> serde) {
        return Materialized.<String, T, WindowStore<Bytes, byte[]>>as(name).withKeySerde(Serdes.String()).withValueSerde(serde);
    }

    private static <T> Serde<T> serde(Function<T, byte[]> toBytes, Function<byte[], T> of) {
        return Serdes.serdeFrom(
            (topic, value) -> value == null ? null : toBytes.apply(value),
            (topic, bytes) -> bytes == null ? null : of.apply(bytes));
    }

    private static Duration millis(long micros) {
        return Duration.ofMillis(micros / 1_000);
    }

    /** The guide's settings of what the DSL makes. */
    static Map<String, Object> settings(Map<String, String> options) {
        return Map.of(
            StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, stores(options),
            StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, BoundedRocksDb.class,
            // Windows are looked at when one may have ended, not once a second of the clock: a recording is read faster than that.
            StreamsConfig.InternalConfig.EMIT_INTERVAL_MS_KSTREAMS_WINDOWED_AGGREGATION, 0L,
            // Times are those of events, which are of long ago: the broker must not delete what it takes for old.
            StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG, Duration.ofDays(36_500).toMillis());
    }
}
