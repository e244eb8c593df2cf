package ovation.peer;

import org.apache.avro.generic.GenericRecord;

/** Reads chat by a projection of its schema: fields that are not needed are skipped, not made into objects. Used by one thread. */
final class ChatReader {
    private final Registry.Reader reader;

    ChatReader(Registry registry) {
        reader = registry.reader(
            "chat_event.avsc", "event_id", "event_time", "channel_id", "user_id", "kind", "target_message_id", "target_user_id");
    }

    ChatEvent read(byte[] value, long watermark, long offset) {
        GenericRecord read = reader.read(value);
        ChatEvent.Kind kind = ChatEvent.Kind.of(read.get(4).toString());
        long eventTime = (Long) read.get(1);
        boolean isMessage = kind == ChatEvent.Kind.MESSAGE;
        return new ChatEvent(
            kind,
            eventTime,
            Math.max(eventTime, watermark),
            offset,
            (String) read.get(2),
            (String) read.get(isMessage ? 3 : 6),
            (String) read.get(isMessage ? 0 : 5));
    }
}
