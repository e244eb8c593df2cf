package ovation.peer;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Candles of one second and one minute of every market. Prices and quantities are whole numbers of 10^-10; a number that has more than 63
 * bits of them ends the program rather than being rounded. Sums have 128 bits.
 */
final class Candles implements Processor<byte[], byte[], byte[], byte[]> {
    private static final long[] INTERVALS = {1_000_000, 60_000_000};

    private final Registry.Reader reader;
    /** By the end of the candle, then by market and interval. */
    private final TreeMap<Long, Map<String, Candle>> open = new TreeMap<>();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, byte[]> store;
    private long watermark = Long.MIN_VALUE;

    Candles(Registry registry) {
        reader = registry.reader("trade_event.avsc", "event_id", "event_time", "trade_id", "price", "quantity", "venue", "symbol");
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(Main.CANDLES);
        try (KeyValueIterator<String, byte[]> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<String, byte[]> entry = all.next();
                Candle candle = Candle.of(entry.value);
                open.computeIfAbsent(candle.end, end -> new HashMap<>()).put(candle.key(), candle);
                // The trade that raised the watermark last is the last one of an open candle: the candle ends after it.
                watermark = Math.max(watermark, candle.last.time - View.LATENESS);
            }
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        GenericRecord read = reader.read(record.value());
        long time = (Long) read.get(1);
        Long tradeId = (Long) read.get(2);
        Place place = new Place(time, tradeId == null ? Long.MIN_VALUE : tradeId, (String) read.get(0));
        long price = units((ByteBuffer) read.get(3));
        long quantity = units((ByteBuffer) read.get(4));
        String market = read.get(5) + " " + read.get(6);
        for (long interval : INTERVALS) {
            long end = Math.floorDiv(time, interval) * interval + interval;
            if (end <= watermark) {
                continue;
            }
            Map<String, Candle> candles = open.computeIfAbsent(end, one -> new HashMap<>());
            String key = market + " " + interval;
            Candle candle = candles.get(key);
            if (candle == null) {
                candle = new Candle((String) read.get(5), (String) read.get(6), interval, end, place, price);
                candles.put(key, candle);
            }
            candle.add(place, price, quantity);
            store.put(key + " " + end, candle.toBytes());
        }
        watermark = Math.max(watermark, time - View.LATENESS);
        while (!open.isEmpty() && open.firstKey() <= watermark) {
            open.pollFirstEntry().getValue().forEach((key, candle) -> {
                byte[] bytes = (candle.venue + ":" + candle.symbol).getBytes(StandardCharsets.UTF_8);
                context.forward(new Record<>(bytes, candle.result(), context.currentSystemTimeMs()));
                store.delete(key + " " + candle.end);
            });
        }
    }

    /** A decimal as Avro has it: two's complement, big endian, as short as may be. */
    private static long units(ByteBuffer decimal) {
        int length = decimal.remaining();
        if (length > 8) {
            byte[] bytes = new byte[length];
            decimal.duplicate().get(bytes);
            return new BigInteger(bytes).longValueExact();
        }
        long units = length > 0 && decimal.get(decimal.position()) < 0 ? -1 : 0;
        for (int i = 0; i < length; i++) {
            units = units << 8 | decimal.get(decimal.position() + i) & 0xff;
        }
        return units;
    }

    /** Where a trade stands in the order of its market; one without a number before those with one. */
    private record Place(long time, long tradeId, String eventId) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            if (time != other.time) {
                return Long.compare(time, other.time);
            }
            int byId = Long.compare(tradeId, other.tradeId);
            return byId != 0 ? byId : eventId.compareTo(other.eventId);
        }
    }

    /** 128 bits. */
    private static final class Sum {
        long high;
        long low;

        void add(long moreHigh, long moreLow) {
            low += moreLow;
            high += moreHigh + (Long.compareUnsigned(low, moreLow) < 0 ? 1 : 0);
        }
    }

    private static final class Candle {
        final String venue;
        final String symbol;
        final long interval;
        final long end;
        Place first;
        Place last;
        long openPrice;
        long high;
        long low;
        long close;
        long count;
        final Sum volume = new Sum();
        final Sum quoteVolume = new Sum();

        Candle(String venue, String symbol, long interval, long end, Place place, long price) {
            this.venue = venue;
            this.symbol = symbol;
            this.interval = interval;
            this.end = end;
            first = place;
            last = place;
            openPrice = price;
            high = price;
            low = price;
            close = price;
        }

        void add(Place place, long price, long quantity) {
            high = Math.max(high, price);
            low = Math.min(low, price);
            count++;
            volume.add(quantity >> 63, quantity);
            quoteVolume.add(Math.multiplyHigh(price, quantity), price * quantity);
            if (place.compareTo(first) < 0) {
                first = place;
                openPrice = price;
            } else if (place.compareTo(last) > 0) {
                last = place;
                close = price;
            }
        }

        String key() {
            return venue + " " + symbol + " " + interval;
        }

        byte[] result() {
            return figures(new Result('C')).bytes();
        }

        private Result figures(Result out) {
            return out.text(venue).text(symbol).number(interval).number(end).number(openPrice).number(high).number(low).number(close)
                .number(count).number(volume.high).number(volume.low).number(quoteVolume.high).number(quoteVolume.low);
        }

        /** For the store. */
        byte[] toBytes() {
            Result out = figures(new Result('S'));
            for (Place place : new Place[] {first, last}) {
                out.number(place.time).number(place.tradeId).text(place.eventId);
            }
            return out.bytes();
        }

        static Candle of(byte[] bytes) {
            ByteBuffer in = ByteBuffer.wrap(bytes, 1, bytes.length - 1);
            Candle candle = new Candle(text(in), text(in), in.getLong(), in.getLong(), null, in.getLong());
            candle.high = in.getLong();
            candle.low = in.getLong();
            candle.close = in.getLong();
            candle.count = in.getLong();
            candle.volume.add(in.getLong(), in.getLong());
            candle.quoteVolume.add(in.getLong(), in.getLong());
            candle.first = new Place(in.getLong(), in.getLong(), text(in));
            candle.last = new Place(in.getLong(), in.getLong(), text(in));
            return candle;
        }

        private static String text(ByteBuffer in) {
            byte[] bytes = new byte[in.getShort()];
            in.get(bytes);
            return new String(bytes, StandardCharsets.UTF_8);
        }
    }
}
