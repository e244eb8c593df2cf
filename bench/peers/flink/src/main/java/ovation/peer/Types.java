package ovation.peer;

import java.io.IOException;

import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** How what flows, and what is kept, is written. */
final class Types {
    static final TypeInformation<ChatEvent> CHAT = new Written<>(ChatEvent.class, new ChatSerializer());
    static final TypeInformation<Trade> TRADE = new Written<>(Trade.class, new TradeSerializer());
    static final TypeInformation<Candle> CANDLE = new Written<>(Candle.class, new CandleSerializer());
    static final TypeInformation<BoardState> BOARD = new Written<>(BoardState.class, new BoardSerializer());
    static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;

    private static final ChatEvent.Kind[] KINDS = ChatEvent.Kind.values();

    private Types() {}

    static void write(ChatEvent event, DataOutputView out) throws IOException {
        out.writeByte(event.kind().ordinal());
        out.writeLong(event.eventTime());
        out.writeLong(event.offset());
        out.writeUTF(event.channel());
        out.writeUTF(event.user() == null ? "" : event.user());
        out.writeUTF(event.message() == null ? "" : event.message());
    }

    static ChatEvent readChat(DataInputView in) throws IOException {
        ChatEvent.Kind kind = KINDS[in.readByte()];
        long eventTime = in.readLong();
        long offset = in.readLong();
        String channel = in.readUTF();
        String user = in.readUTF();
        String message = in.readUTF();
        // Nothing comes too late here, so an event is visible from its own time.
        return new ChatEvent(
            kind, eventTime, eventTime, offset, channel, user.isEmpty() ? null : user, message.isEmpty() ? null : message);
    }

    static final class ChatSerializer extends Written.Serializer<ChatEvent> {
        @Override
        public TypeSerializerSnapshot<ChatEvent> snapshotConfiguration() {
            return new ChatSnapshot();
        }

        @Override
        public void serialize(ChatEvent event, DataOutputView out) throws IOException {
            write(event, out);
        }

        @Override
        public ChatEvent deserialize(DataInputView in) throws IOException {
            return readChat(in);
        }
    }

    static final class TradeSerializer extends Written.Serializer<Trade> {
        @Override
        public TypeSerializerSnapshot<Trade> snapshotConfiguration() {
            return new TradeSnapshot();
        }

        @Override
        public void serialize(Trade trade, DataOutputView out) throws IOException {
            out.writeLong(trade.place().time());
            out.writeLong(trade.place().tradeId());
            out.writeUTF(trade.place().eventId());
            out.writeUTF(trade.venue());
            out.writeUTF(trade.symbol());
            out.writeLong(trade.price());
            out.writeLong(trade.quantity());
        }

        @Override
        public Trade deserialize(DataInputView in) throws IOException {
            Trade.Place place = new Trade.Place(in.readLong(), in.readLong(), in.readUTF());
            return new Trade(place, in.readUTF(), in.readUTF(), in.readLong(), in.readLong());
        }
    }

    static final class CandleSerializer extends Written.Serializer<Candle> {
        @Override
        public TypeSerializerSnapshot<Candle> snapshotConfiguration() {
            return new CandleSnapshot();
        }

        @Override
        public Candle copy(Candle candle) {
            return candle.copy();
        }

        @Override
        public void serialize(Candle candle, DataOutputView out) throws IOException {
            byte[] bytes = candle.toBytes();
            out.writeInt(bytes.length);
            out.write(bytes);
        }

        @Override
        public Candle deserialize(DataInputView in) throws IOException {
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            return Candle.of(bytes);
        }
    }

    static final class BoardSerializer extends Written.Serializer<BoardState> {
        @Override
        public TypeSerializerSnapshot<BoardState> snapshotConfiguration() {
            return new BoardSnapshot();
        }

        @Override
        public BoardState copy(BoardState state) {
            return state.copy();
        }

        @Override
        public void serialize(BoardState state, DataOutputView out) throws IOException {
            state.write(out);
        }

        @Override
        public BoardState deserialize(DataInputView in) throws IOException {
            return BoardState.read(in);
        }
    }

    // Flink makes these by their names.

    public static final class ChatSnapshot extends SimpleTypeSerializerSnapshot<ChatEvent> {
        public ChatSnapshot() {
            super(ChatSerializer::new);
        }
    }

    public static final class TradeSnapshot extends SimpleTypeSerializerSnapshot<Trade> {
        public TradeSnapshot() {
            super(TradeSerializer::new);
        }
    }

    public static final class CandleSnapshot extends SimpleTypeSerializerSnapshot<Candle> {
        public CandleSnapshot() {
            super(CandleSerializer::new);
        }
    }

    public static final class BoardSnapshot extends SimpleTypeSerializerSnapshot<BoardState> {
        public BoardSnapshot() {
            super(BoardSerializer::new);
        }
    }
}
