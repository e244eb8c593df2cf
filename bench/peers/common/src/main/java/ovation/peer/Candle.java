package ovation.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** A candle of a market. Sums have 128 bits. */
final class Candle {
    /** 128 bits. */
    private static final class Sum {
        long high;
        long low;

        void add(long moreHigh, long moreLow) {
            low += moreLow;
            high += moreHigh + (Long.compareUnsigned(low, moreLow) < 0 ? 1 : 0);
        }
    }

    final String venue;
    final String symbol;
    final long interval;
    final long end;
    Trade.Place first;
    Trade.Place last;
    private long openPrice;
    private long high;
    private long low;
    private long close;
    private long count;
    private final Sum volume = new Sum();
    private final Sum quoteVolume = new Sum();

    private Candle(String venue, String symbol, long interval, long end, Trade.Place place, long price) {
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

    /** The one that a trade is in, still without it. */
    static Candle around(Trade trade, long interval) {
        long end = Windows.floor(trade.place().time(), interval) + interval;
        return new Candle(trade.venue(), trade.symbol(), interval, end, trade.place(), trade.price());
    }

    void add(Trade trade) {
        long price = trade.price();
        high = Math.max(high, price);
        low = Math.min(low, price);
        count++;
        volume.add(trade.quantity() >> 63, trade.quantity());
        quoteVolume.add(Math.multiplyHigh(price, trade.quantity()), price * trade.quantity());
        extend(trade.place(), price, trade.place(), price);
    }

    private void extend(Trade.Place from, long fromPrice, Trade.Place to, long toPrice) {
        if (from.compareTo(first) < 0) {
            first = from;
            openPrice = fromPrice;
        }
        if (to.compareTo(last) > 0) {
            last = to;
            close = toPrice;
        }
    }

    /** A longer one that has this one in it and nothing else. */
    Candle within(long longer) {
        Candle candle = new Candle(venue, symbol, longer, Windows.floor(end - 1, longer) + longer, first, openPrice);
        candle.last = last;
        candle.close = close;
        return candle.addSums(this);
    }

    /** Adds a shorter one. */
    void add(Candle part) {
        extend(part.first, part.openPrice, part.last, part.close);
        addSums(part);
    }

    private Candle addSums(Candle part) {
        high = Math.max(high, part.high);
        low = Math.min(low, part.low);
        count += part.count;
        volume.add(part.volume.high, part.volume.low);
        quoteVolume.add(part.quoteVolume.high, part.quoteVolume.low);
        return this;
    }

    Candle copy() {
        return within(interval);
    }

    String market() {
        return venue + ":" + symbol;
    }

    byte[] result() {
        return figures(new Result('C')).bytes();
    }

    private Result figures(Result out) {
        return out.text(venue).text(symbol).number(interval).number(end).number(openPrice).number(high).number(low).number(close)
            .number(count).number(volume.high).number(volume.low).number(quoteVolume.high).number(quoteVolume.low);
    }

    /** For a store. */
    byte[] toBytes() {
        Result out = figures(new Result('S'));
        for (Trade.Place place : new Trade.Place[] {first, last}) {
            out.number(place.time()).number(place.tradeId()).text(place.eventId());
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
        candle.first = new Trade.Place(in.getLong(), in.getLong(), text(in));
        candle.last = new Trade.Place(in.getLong(), in.getLong(), text(in));
        return candle;
    }

    private static String text(ByteBuffer in) {
        byte[] bytes = new byte[in.getShort()];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
