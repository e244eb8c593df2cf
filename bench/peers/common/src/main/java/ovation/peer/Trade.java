package ovation.peer;

import java.math.BigInteger;
import java.nio.ByteBuffer;

import org.apache.avro.generic.GenericRecord;

/**
 * What candles need of a trade. The price and the quantity are whole numbers of 10^-10; a number that has more than 63 bits of them ends the
 * program rather than being rounded. Times are in microseconds.
 */
record Trade(Place place, String venue, String symbol, long price, long quantity) {
    /** Where a trade stands in the order of its market; one without a number before those with one. */
    record Place(long time, long tradeId, String eventId) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            if (time != other.time) {
                return Long.compare(time, other.time);
            }
            int byId = Long.compare(tradeId, other.tradeId);
            return byId != 0 ? byId : eventId.compareTo(other.eventId);
        }
    }

    /** Used by one thread. */
    static final class Reader {
        private final Registry.Reader reader;

        Reader(Registry registry) {
            reader = registry.reader("trade_event.avsc", "event_id", "event_time", "trade_id", "price", "quantity", "venue", "symbol");
        }

        Trade read(byte[] value) {
            GenericRecord read = reader.read(value);
            Long tradeId = (Long) read.get(2);
            Place place = new Place((Long) read.get(1), tradeId == null ? Long.MIN_VALUE : tradeId, (String) read.get(0));
            long price = units((ByteBuffer) read.get(3));
            long quantity = units((ByteBuffer) read.get(4));
            return new Trade(place, (String) read.get(5), (String) read.get(6), price, quantity);
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
}
