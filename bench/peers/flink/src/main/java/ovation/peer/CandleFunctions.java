package ovation.peer;

import org.apache.flink.api.common.functions.AggregateFunction;

/** Candles of a second from trades, and of a minute from those. There is no candle before its first trade: it is null. */
final class CandleFunctions {
    private CandleFunctions() {}

    static final class OfTrades implements AggregateFunction<Trade, Candle, Candle> {
        @Override
        public Candle createAccumulator() {
            return null;
        }

        @Override
        public Candle add(Trade trade, Candle candle) {
            Candle with = candle == null ? Candle.around(trade, Windows.SECOND) : candle;
            with.add(trade);
            return with;
        }

        @Override
        public Candle getResult(Candle candle) {
            return candle;
        }

        @Override
        public Candle merge(Candle one, Candle other) {
            one.add(other);
            return one;
        }
    }

    static final class OfCandles implements AggregateFunction<Candle, Candle, Candle> {
        @Override
        public Candle createAccumulator() {
            return null;
        }

        @Override
        public Candle add(Candle second, Candle candle) {
            if (candle == null) {
                return second.within(Windows.MINUTE);
            }
            candle.add(second);
            return candle;
        }

        @Override
        public Candle getResult(Candle candle) {
            return candle;
        }

        @Override
        public Candle merge(Candle one, Candle other) {
            one.add(other);
            return one;
        }
    }
}
