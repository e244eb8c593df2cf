package ovation.peer;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/** Candles of one second and one minute of every market. */
final class Candles implements Processor<byte[], byte[], byte[], byte[]> {
    private static final long[] INTERVALS = {Windows.SECOND, Windows.MINUTE};

    private final Trade.Reader reader;
    /** By the end of the candle, then by market and interval. */
    private final TreeMap<Long, Map<String, Candle>> open = new TreeMap<>();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, byte[]> store;
    private long watermark = Long.MIN_VALUE;

    Candles(Registry registry) {
        reader = new Trade.Reader(registry);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(Main.CANDLES);
        try (KeyValueIterator<String, byte[]> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<String, byte[]> entry = all.next();
                Candle candle = Candle.of(entry.value);
                open.computeIfAbsent(candle.end, end -> new HashMap<>()).put(key(candle), candle);
                // The trade that raised the watermark last is the last one of an open candle: the candle ends after it.
                watermark = Math.max(watermark, candle.last.time() - Windows.LATENESS);
            }
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        Trade trade = reader.read(record.value());
        long time = trade.place().time();
        String market = trade.venue() + " " + trade.symbol();
        for (long interval : INTERVALS) {
            long end = Windows.floor(time, interval) + interval;
            if (end <= watermark) {
                continue;
            }
            Map<String, Candle> candles = open.computeIfAbsent(end, one -> new HashMap<>());
            String key = market + " " + interval;
            Candle candle = candles.get(key);
            if (candle == null) {
                candle = Candle.around(trade, interval);
                candles.put(key, candle);
            }
            candle.add(trade);
            store.put(key + " " + end, candle.toBytes());
        }
        watermark = Math.max(watermark, time - Windows.LATENESS);
        while (!open.isEmpty() && open.firstKey() <= watermark) {
            open.pollFirstEntry().getValue().forEach((key, candle) -> {
                byte[] bytes = candle.market().getBytes(StandardCharsets.UTF_8);
                context.forward(new Record<>(bytes, candle.result(), context.currentSystemTimeMs()));
                store.delete(key + " " + candle.end);
            });
        }
    }

    private static String key(Candle candle) {
        return candle.venue + " " + candle.symbol + " " + candle.interval;
    }
}
