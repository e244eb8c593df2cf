//! The types of the live API's frames in TypeScript, made from the Avro schemas and the kinds: `web/src/live-api.ts` is what they
//! say today. `OVATION_BLESS=1 cargo test --workspace --test dashboard_types` rewrites it; read the difference before you commit it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value as Json;
use sinks::dashboard::selector::Kind;

const HEAD: &str = "\
/**
 * Every frame of the live API, made from the Avro schemas by `sinks/tests/dashboard_types.rs`. Do not edit.
 *
 * Instants are microseconds since 1970, decimals are strings, enums may get new words.
 */
";

/// What no schema describes.
const FRAMES: &str = "
export interface Health {
  state: \"live\" | \"catching_up\" | \"log_unreachable\";
  trouble: string | null;
  results: number;
  tombstones: number;
  refused: Record<string, number>;
  dead_letters: { total: number; by_reason: Record<string, number> };
  jobs: {
    job: string;
    shards: number;
    as_of: number | null;
    watermark: number | null;
    watermark_min: number | null;
    computed_at: number | null;
    /** By the committed positions; null while that is not known. */
    lag: { members: number; records: number; watermark_min: number | null; behind: { shard: number; records: number }[] } | null;
  }[];
}

interface Place {
  /** `epoch:offset`: where to resume. */
  id: string;
  as_of: number | null;
  watermark: number | null;
}

interface ChangeOf<Kind extends string, Key, Value> extends Place {
  type: \"change\";
  kind: Kind;
  key: Key;
  value: Value;
}

export type Frame =
  | Change
  | (Place & { type: \"snapshot\"; part: number; is_last: boolean; items: Change[]; forbidden?: Selector[] })
  | (Place & { type: \"resumed\"; forbidden?: Selector[] })
  | (Place & { type: \"heartbeat\"; server_time: number })
  | (Place & { type: \"error\"; code: string; message: string });

export interface Message {
  subscribe: Selector[];
  resume?: string | null;
  token?: string | null;
  partial?: boolean | null;
}
";

/// Writes an interface for each record that it meets.
#[derive(Default)]
struct Writer {
    interfaces: String,
    known: BTreeSet<String>,
}

impl Writer {
    fn record(&mut self, schema: &Json) -> String {
        let name = schema["name"].as_str().expect("a name").to_owned();
        if !self.known.insert(name.clone()) {
            return name;
        }
        let mut text = String::new();
        comment(&mut text, "", &schema["doc"]);
        writeln!(text, "export interface {name} {{").expect("a string");
        for field in schema["fields"].as_array().expect("fields") {
            let field_name = field["name"].as_str().expect("a name");
            // the gateway leaves them out
            if field_name.ends_with("_sketch") || field_name.ends_with("_histogram") {
                continue;
            }
            comment(&mut text, "  ", &field["doc"]);
            let kind = self.named(&field["type"]);
            writeln!(text, "  {field_name}: {kind};").expect("a string");
        }
        write!(self.interfaces, "\n{text}}}\n").expect("a string");
        name
    }

    /// A type as TypeScript names it, as `schemas::json` shows its values.
    fn named(&mut self, schema: &Json) -> String {
        if let Some(branches) = schema.as_array() {
            let mut names: Vec<String> = branches.iter().map(|branch| self.named(branch)).collect();
            names.sort_by_key(|name| name == "null");
            return names.join(" | ");
        }
        let (kind, logical) = match schema {
            Json::String(kind) => (kind.as_str(), None),
            object => (object["type"].as_str().expect("a type"), object["logicalType"].as_str()),
        };
        match (kind, logical) {
            (_, Some("decimal")) | ("string" | "bytes", None) => "string".to_owned(),
            ("null", _) => "null".to_owned(),
            ("boolean", _) => "boolean".to_owned(),
            ("int" | "long" | "float" | "double", None | Some("timestamp-micros")) => "number".to_owned(),
            ("enum", _) => {
                let words = schema["symbols"].as_array().expect("symbols").iter().map(Json::to_string);
                words.collect::<Vec<_>>().join(" | ")
            }
            ("array", _) => format!("{}[]", self.named(&schema["items"])),
            ("map", _) => format!("Record<string, {}>", self.named(&schema["values"])),
            ("record", _) => self.record(schema),
            (name, None) => {
                let name = name.rsplit('.').next().expect("a name");
                assert!(self.known.contains(name), "{name} is used before it is described");
                name.to_owned()
            }
            other => panic!("no type for {other:?}"),
        }
    }
}

fn comment(text: &mut String, indent: &str, doc: &Json) {
    if let Some(doc) = doc.as_str() {
        writeln!(text, "{indent}/** {doc} */").expect("a string");
    }
}

fn capital(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}

fn of_kind(kind: Kind, field: &str) -> &'static str {
    // a whole number of seconds
    if field.ends_with("_s") && kind.fields().contains(&field) { "number" } else { "string" }
}

fn types() -> String {
    let mut writer = Writer::default();
    let (mut keys, mut changes, mut selectors) = (String::new(), String::new(), String::new());
    for kind in Kind::ALL {
        let value = match kind.topic() {
            Some(topic) => writer.record(&serde_json::from_str(topic.spec().schema).expect("a schema")),
            None => "Health".to_owned(),
        };
        let (name, capital) = (kind.name(), capital(kind.name()));
        let fields = kind.fields().iter().map(|field| format!("{field}: {}", of_kind(kind, field)));
        let fields = fields.collect::<Vec<_>>().join("; ");
        let fields =
            if fields.is_empty() { "Record<string, never>".to_owned() } else { format!("{{ {fields} }}") };
        writeln!(keys, "\nexport type {capital}Key = {fields};").expect("a string");
        write!(changes, "\n  | ChangeOf<\"{name}\", {capital}Key, {value}>").expect("a string");
        let asked = kind.fields().iter().map(|field| match of_kind(kind, field) {
            "number" => format!("; {field}?: number | \"*\""),
            text => format!("; {field}?: {text}"),
        });
        let asked: String = asked.collect();
        write!(selectors, "\n  | {{ kind: \"{name}\"; history?: boolean{asked} }}").expect("a string");
    }
    format!(
        "{HEAD}{}{keys}\nexport type Change ={changes};\n\nexport type Selector ={selectors};\n{FRAMES}",
        writer.interfaces
    )
}

#[test]
fn the_types_of_the_frames_are_those_of_the_schemas() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/live-api.ts");
    let types = types();
    if std::env::var_os("OVATION_BLESS").is_some() {
        std::fs::write(&path, &types).expect("writable");
    }
    let kept = std::fs::read_to_string(&path).expect("the types");
    assert_eq!(kept, types, "renew web/src/live-api.ts with OVATION_BLESS=1");
}
