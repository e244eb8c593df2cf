package ovation.peer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Chat into boards, engagement, or both. The store has the events of the longest window, by their offsets; after a restart the views are made
 * again from it, and what they had written is not written again.
 */
final class ChatProcessor implements Processor<byte[], byte[], byte[], byte[]> {
    /** Events of so many seconds are kept under one time: the store in memory makes a map for each. */
    private static final long PANE_S = 10;

    private final ChatReader reader;
    private final List<View> views;
    private ProcessorContext<byte[], byte[]> context;
    private WindowStore<Long, byte[]> store;
    private long watermark = Long.MIN_VALUE;

    ChatProcessor(Registry registry, List<View> views) {
        reader = new ChatReader(registry);
        this.views = views;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(Main.BOARD_AND_ENGAGEMENT_LOG);
        List<ChatEvent> events = new ArrayList<>();
        try (KeyValueIterator<Windowed<Long>, byte[]> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<Windowed<Long>, byte[]> entry = all.next();
                events.add(ChatEvent.of(entry.key.key(), entry.value));
            }
        }
        Collections.sort(events);
        for (ChatEvent event : events) {
            for (View view : views) {
                view.take(event);
            }
            watermark = Math.max(watermark, event.eventTime() - Windows.LATENESS);
        }
        for (View view : views) {
            view.advance(watermark, (key, value) -> {});
        }
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        ChatEvent event = reader.read(record.value(), watermark, context.recordMetadata().orElseThrow().offset());
        boolean isTaken = false;
        for (View view : views) {
            isTaken |= view.take(event);
        }
        if (!isTaken) {
            return;
        }
        store.put(event.offset(), event.toBytes(), Math.floorDiv(event.visibleFrom(), 1_000_000 * PANE_S) * PANE_S * 1_000);
        if (event.eventTime() - Windows.LATENESS > watermark) {
            watermark = event.eventTime() - Windows.LATENESS;
            for (View view : views) {
                view.advance(watermark, this::forward);
            }
        }
    }

    private void forward(String key, byte[] value) {
        context.forward(new Record<>(key.getBytes(StandardCharsets.UTF_8), value, context.currentSystemTimeMs()));
    }
}
