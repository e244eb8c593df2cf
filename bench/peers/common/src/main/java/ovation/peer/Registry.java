package ovation.peer;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** The schema registry, and readers of records that it describes: byte 0, the schema's id in four bytes, the Avro datum. */
final class Registry {
    private final String url;

    Registry(String url) {
        this.url = url;
    }

    /** Reads some fields of the records of one topic. Used by one thread. */
    final class Reader {
        private final Schema projection;
        private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
        private GenericDatumReader<GenericRecord> last;
        private int lastId = -1;
        private BinaryDecoder decoder;
        private GenericRecord reused;

        private Reader(Schema projection) {
            this.projection = projection;
        }

        /** The record, until the next call. */
        GenericRecord read(byte[] value) {
            int id = ByteBuffer.wrap(value, 1, 4).getInt();
            if (value[0] != 0) {
                throw new IllegalArgumentException("not in the wire format");
            }
            if (id != lastId) {
                last = readers.computeIfAbsent(id, this::reader);
                lastId = id;
            }
            decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, decoder);
            try {
                reused = last.read(reused, decoder);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return reused;
        }

        private GenericDatumReader<GenericRecord> reader(int id) {
            GenericData data = new GenericData();
            data.setFastReaderEnabled(true);
            return new GenericDatumReader<>(written(id), projection, data);
        }

        private Schema written(int id) {
            try (InputStream answer = URI.create(url + "/schemas/ids/" + id).toURL().openStream()) {
                return new Schema.Parser().parse(new ObjectMapper().readTree(answer).get("schema").asText());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    /** A reader of these fields of the schema in a file of schemas/avro. They are at 0, 1, 2, ... in what it reads. */
    Reader reader(String file, String... fields) {
        try (InputStream resource = Registry.class.getResourceAsStream("/" + file)) {
            Schema whole = new Schema.Parser().parse(resource);
            List<Schema.Field> kept = new ArrayList<>();
            for (String field : fields) {
                Schema.Field found = whole.getField(field);
                kept.add(new Schema.Field(found.name(), withStrings(found.schema()), null, found.defaultVal()));
            }
            return new Reader(Schema.createRecord(whole.getName(), null, whole.getNamespace(), false, kept));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Strings as Java's, so that they are made once. */
    private static Schema withStrings(Schema schema) {
        if (schema.getType() == Schema.Type.STRING) {
            Schema string = Schema.create(Schema.Type.STRING);
            GenericData.setStringType(string, GenericData.StringType.String);
            return string;
        }
        if (schema.getType() == Schema.Type.UNION) {
            return Schema.createUnion(schema.getTypes().stream().map(Registry::withStrings).toList());
        }
        return schema;
    }
}
