//! What the registry knows: subjects with their versions, schemas by id, levels. Pure: records go in, answers come out.
//!
//! The same records give the same state. A change is decided here as the records to write, and takes effect only when
//! they are applied, that is, once Kafka has them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::json;

use super::{
    compatibility::{Level, objections},
    error::RegistryError,
    records::{ConfigValue, DeleteSubjectValue, Key, SchemaValue},
    schema::AvroSchema,
};

/// A record to be written: the key and, unless it removes the key, the value, both as JSON.
pub(super) type NewRecord = (Key, Option<String>);

#[derive(Debug, Clone)]
struct Version {
    id: u32,
    schema: Arc<AvroSchema>,
    deleted: bool,
}

/// One version of a subject, as it is answered.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Entry {
    pub(super) subject: String,
    pub(super) version: u32,
    pub(super) id: u32,
    pub(super) schema: String,
}

/// What registering a schema comes to.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) id: u32,
    /// none if the subject has the schema already
    pub(super) record: Option<NewRecord>,
}

/// A version as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionName {
    Latest,
    Number(u32),
}

impl VersionName {
    /// # Errors
    /// If it is neither a number from 1 nor `latest` (or `-1`, which means the same).
    pub(super) fn parse(name: &str) -> Result<VersionName, RegistryError> {
        match name {
            "latest" | "-1" => Ok(VersionName::Latest),
            _ => match name.parse::<u32>() {
                Ok(number) if (1..=i32::MAX as u32).contains(&number) => Ok(VersionName::Number(number)),
                _ => Err(RegistryError::InvalidVersion(name.to_owned())),
            },
        }
    }
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct State {
    subjects: BTreeMap<String, BTreeMap<u32, Version>>,
    schemas: BTreeMap<u32, Arc<AvroSchema>>,
    ids: HashMap<String, u32>,
    levels: HashMap<Option<String>, Level>,
}

impl State {
    /// Takes a record that is in Kafka.
    ///
    /// # Errors
    /// If a record of a known kind cannot be understood; nothing has changed then.
    pub(super) fn apply(&mut self, key: &Key, value: Option<&[u8]>) -> Result<(), anyhow::Error> {
        match (key, value) {
            (Key::Schema { subject, version, .. }, Some(value)) => {
                let value: SchemaValue = serde_json::from_slice(value)?;
                anyhow::ensure!(
                    value.schema_type.as_deref().unwrap_or("AVRO") == "AVRO",
                    "version {version} of {subject} is no Avro schema"
                );
                let schema = Arc::new(AvroSchema::parse(&value.schema)?);
                self.ids.entry(schema.canonical.clone()).or_insert(value.id);
                self.schemas.entry(value.id).or_insert_with(|| schema.clone());
                let version_of_it = Version { id: value.id, schema, deleted: value.deleted };
                self.subjects.entry(subject.clone()).or_default().insert(*version, version_of_it);
            }
            (Key::Schema { subject, version, .. }, None) => {
                if let Some(versions) = self.subjects.get_mut(subject) {
                    versions.remove(version);
                }
            }
            (Key::Config { subject, .. }, Some(value)) => {
                let value: ConfigValue = serde_json::from_slice(value)?;
                self.levels.insert(subject.clone(), value.level);
            }
            (Key::Config { subject, .. }, None) => {
                self.levels.remove(subject);
            }
            (Key::DeleteSubject { subject, .. }, Some(value)) => {
                let value: DeleteSubjectValue = serde_json::from_slice(value)?;
                let versions = self.subjects.get_mut(subject).into_iter().flatten();
                versions
                    .filter(|(version, _)| **version <= value.version)
                    .for_each(|(_, of_it)| of_it.deleted = true);
            }
            (Key::DeleteSubject { .. }, None) | (Key::Noop { .. }, _) => {}
        }
        Ok(())
    }

    /// The names of the subjects that begin with `prefix`.
    pub(super) fn subjects(&self, prefix: &str, with_deleted: bool) -> Vec<&str> {
        let has_any = |versions: &BTreeMap<u32, Version>| {
            versions.values().any(|version| with_deleted || !version.deleted)
        };
        let subjects =
            self.subjects.iter().filter(|(name, versions)| name.starts_with(prefix) && has_any(versions));
        subjects.map(|(name, _)| name.as_str()).collect()
    }

    /// The versions of a subject, oldest first, that are not deleted.
    fn live(&self, subject: &str) -> Vec<(u32, &Version)> {
        let versions = self.subjects.get(subject).into_iter().flatten();
        versions.filter(|(_, version)| !version.deleted).map(|(number, version)| (*number, version)).collect()
    }

    /// The numbers of a subject's versions.
    ///
    /// # Errors
    /// 40401.
    pub(super) fn versions(&self, subject: &str, with_deleted: bool) -> Result<Vec<u32>, RegistryError> {
        let all = self.subjects.get(subject).into_iter().flatten();
        let numbers: Vec<u32> =
            all.filter(|(_, version)| with_deleted || !version.deleted).map(|(number, _)| *number).collect();
        if numbers.is_empty() { Err(RegistryError::SubjectNotFound(subject.to_owned())) } else { Ok(numbers) }
    }

    /// One version of a subject.
    ///
    /// # Errors
    /// 40401, 40402.
    pub(super) fn version(&self, subject: &str, name: VersionName) -> Result<Entry, RegistryError> {
        let live = self.live(subject);
        let Some(latest) = live.last() else {
            return Err(RegistryError::SubjectNotFound(subject.to_owned()));
        };
        let found = match name {
            VersionName::Latest => Some(latest),
            VersionName::Number(number) => live.iter().find(|(version, _)| *version == number),
        };
        match (found, name) {
            (Some((number, version)), _) => Ok(entry(subject, *number, version)),
            (None, VersionName::Number(number)) => Err(RegistryError::VersionNotFound(number.to_string())),
            (None, VersionName::Latest) => Err(RegistryError::VersionNotFound("latest".to_owned())),
        }
    }

    /// The version of a subject that has this schema.
    ///
    /// # Errors
    /// 40401, 40403.
    pub(super) fn lookup(&self, subject: &str, schema: &AvroSchema) -> Result<Entry, RegistryError> {
        self.versions(subject, false)?;
        let live = self.live(subject);
        let found = live.iter().rev().find(|(_, version)| version.schema.canonical == schema.canonical);
        found.map(|(number, version)| entry(subject, *number, version)).ok_or(RegistryError::SchemaNotFound)
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// 40403.
    pub(super) fn schema(&self, id: u32) -> Result<&str, RegistryError> {
        self.schemas.get(&id).map(|schema| schema.text.as_str()).ok_or(RegistryError::IdNotFound(id))
    }

    /// Where the schema of an id is used.
    ///
    /// # Errors
    /// 40403.
    pub(super) fn uses(&self, id: u32) -> Result<Vec<(&str, u32)>, RegistryError> {
        self.schema(id)?;
        let all = self.subjects.keys().flat_map(|subject| {
            self.live(subject)
                .into_iter()
                .map(move |(number, version)| (subject.as_str(), number, version.id))
        });
        Ok(all.filter(|(_, _, used)| *used == id).map(|(subject, number, _)| (subject, number)).collect())
    }

    /// The level that holds for a subject.
    pub(super) fn level(&self, subject: &str) -> Level {
        self.own_level(Some(subject)).unwrap_or_else(|| self.own_level(None).unwrap_or(Level::Backward))
    }

    /// The level that was set for a subject, or for all.
    pub(super) fn own_level(&self, subject: Option<&str>) -> Option<Level> {
        self.levels.get(&subject.map(str::to_owned)).copied()
    }

    /// What speaks against a schema as the next of a subject, compared with one version or with all that the level asks.
    ///
    /// # Errors
    /// 40402 if the subject has no such version; without any version, nothing speaks against it.
    pub(super) fn objections(
        &self,
        subject: &str,
        schema: &AvroSchema,
        with: Option<VersionName>,
    ) -> Result<Vec<String>, RegistryError> {
        let live = self.live(subject);
        let mut earlier: Vec<(u32, &AvroSchema)> =
            live.iter().map(|(number, version)| (*number, &*version.schema)).collect();
        match with {
            Some(VersionName::Number(number)) => {
                earlier.retain(|(version, _)| *version == number);
                if earlier.is_empty() {
                    return Err(RegistryError::VersionNotFound(number.to_string()));
                }
            }
            Some(VersionName::Latest) => earlier = earlier.split_off(earlier.len().saturating_sub(1)),
            None => {}
        }
        Ok(objections(self.level(subject), schema, &earlier))
    }

    /// Decides on a new version of a subject.
    ///
    /// # Errors
    /// 409 if it is not compatible with the earlier ones.
    pub(super) fn register(&self, subject: &str, schema: &AvroSchema) -> Result<Registration, RegistryError> {
        if let Ok(entry) = self.lookup(subject, schema) {
            return Ok(Registration { id: entry.id, record: None });
        }
        let objections = self.objections(subject, schema, None)?;
        if !objections.is_empty() {
            return Err(RegistryError::Incompatible(subject.to_owned(), objections.join(", ")));
        }
        let id = self.ids.get(&schema.canonical).copied();
        let id = id.unwrap_or_else(|| self.schemas.last_key_value().map_or(1, |(last, _)| last + 1));
        let last = self.subjects.get(subject).and_then(|versions| versions.last_key_value());
        let version = last.map_or(1, |(last, _)| last + 1);
        let text = self.schemas.get(&id).map_or(&schema.text, |known| &known.text);
        Ok(Registration { id, record: Some(schema_record(subject, version, id, text, false)) })
    }

    /// The records that delete a subject's versions, and their numbers.
    ///
    /// # Errors
    /// 40401, 40404.
    pub(super) fn delete_subject(&self, subject: &str) -> Result<(Vec<u32>, Vec<NewRecord>), RegistryError> {
        let live = self.live(subject);
        if live.is_empty() {
            return Err(match self.subjects.get(subject).filter(|versions| !versions.is_empty()) {
                Some(_) => RegistryError::SubjectSoftDeleted(subject.to_owned()),
                None => RegistryError::SubjectNotFound(subject.to_owned()),
            });
        }
        let records = live.iter().map(|(number, version)| deletion(subject, *number, version));
        Ok((live.iter().map(|(number, _)| *number).collect(), records.collect()))
    }

    /// The record that deletes one version, and its number.
    ///
    /// # Errors
    /// 40401, 40402, 40406.
    pub(super) fn delete_version(
        &self,
        subject: &str,
        name: VersionName,
    ) -> Result<(u32, NewRecord), RegistryError> {
        if let VersionName::Number(number) = name
            && self
                .subjects
                .get(subject)
                .and_then(|all| all.get(&number))
                .is_some_and(|version| version.deleted)
        {
            return Err(RegistryError::VersionSoftDeleted(subject.to_owned(), number));
        }
        let entry = self.version(subject, name)?;
        let version = &self.subjects[subject][&entry.version];
        Ok((entry.version, deletion(subject, entry.version, version)))
    }
}

/// The record that sets a level, of a subject or of all.
pub(super) fn level_record(subject: Option<&str>, level: Level) -> NewRecord {
    (Key::config(subject), Some(json!({ "compatibilityLevel": level }).to_string()))
}

fn deletion(subject: &str, number: u32, version: &Version) -> NewRecord {
    schema_record(subject, number, version.id, &version.schema.text, true)
}

fn schema_record(subject: &str, version: u32, id: u32, schema: &str, deleted: bool) -> NewRecord {
    let value =
        json!({"subject": subject, "version": version, "id": id, "schema": schema, "deleted": deleted});
    (Key::schema(subject, version), Some(value.to_string()))
}

fn entry(subject: &str, number: u32, version: &Version) -> Entry {
    Entry {
        subject: subject.to_owned(),
        version: number,
        id: version.id,
        schema: version.schema.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &str) -> AvroSchema {
        AvroSchema::parse(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)).unwrap()
    }

    fn apply(state: &mut State, records: impl IntoIterator<Item = NewRecord>) {
        for (key, value) in records {
            state.apply(&key, value.as_deref().map(str::as_bytes)).unwrap();
        }
    }

    fn register(state: &mut State, subject: &str, schema: &AvroSchema) -> Result<u32, RegistryError> {
        let registration = state.register(subject, schema)?;
        apply(state, registration.record);
        Ok(registration.id)
    }

    #[test]
    fn one_schema_has_one_id_and_ids_never_come_back() {
        let mut state = State::default();
        let (first, second) = (schema(""), schema(r#"{"name":"a","type":"int","default":0}"#));
        assert_eq!(register(&mut state, "s", &first), Ok(1));
        assert_eq!(register(&mut state, "s", &first), Ok(1));
        assert_eq!(register(&mut state, "s", &second), Ok(2));
        assert_eq!(register(&mut state, "t", &second), Ok(2));
        assert_eq!(state.versions("s", false), Ok(vec![1, 2]));
        assert_eq!(state.uses(2), Ok(vec![("s", 2), ("t", 1)]));

        let (numbers, records) = state.delete_subject("s").unwrap();
        assert_eq!(numbers, [1, 2]);
        apply(&mut state, records);
        assert_eq!(state.versions("s", false).unwrap_err().code(), 40401);
        assert_eq!(state.versions("s", true), Ok(vec![1, 2]));
        assert_eq!(state.delete_subject("s").unwrap_err().code(), 40404);
        assert_eq!(state.subjects("", false), ["t"]);
        // data written with it can still be read
        assert!(state.schema(1).is_ok());
        assert_eq!(register(&mut state, "s", &first), Ok(1));
        assert_eq!(state.versions("s", false), Ok(vec![3]));
    }

    #[test]
    fn values_are_those_of_confluent() {
        let (_, value) = schema_record("s", 1, 7, "\"int\"", false);
        assert_eq!(
            value.unwrap(),
            r#"{"subject":"s","version":1,"id":7,"schema":"\"int\"","deleted":false}"#
        );
        let (_, value) = level_record(None, Level::FullTransitive);
        assert_eq!(value.unwrap(), r#"{"compatibilityLevel":"FULL_TRANSITIVE"}"#);
    }

    #[test]
    fn an_incompatible_schema_changes_nothing() {
        let mut state = State::default();
        register(&mut state, "s", &schema(r#"{"name":"a","type":"int"}"#)).unwrap();
        let other = schema(r#"{"name":"b","type":"int"}"#);
        assert_eq!(register(&mut state, "s", &other).unwrap_err().code(), 409);
        assert_eq!(state.versions("s", false), Ok(vec![1]));
        apply(&mut state, [level_record(Some("s"), Level::None)]);
        assert_eq!(register(&mut state, "s", &other), Ok(2));
        assert_eq!((state.level("s"), state.level("t")), (Level::None, Level::Backward));
    }

    #[test]
    fn versions_and_their_absence_have_their_codes() {
        let mut state = State::default();
        assert_eq!(state.version("s", VersionName::Latest).unwrap_err().code(), 40401);
        register(&mut state, "s", &schema("")).unwrap();
        assert_eq!(state.version("s", VersionName::Number(2)).unwrap_err().code(), 40402);
        assert_eq!(state.lookup("s", &schema(r#"{"name":"a","type":"int"}"#)).unwrap_err().code(), 40403);
        assert_eq!(state.schema(9).unwrap_err().code(), 40403);
        let (_, record) = state.delete_version("s", VersionName::Latest).unwrap();
        apply(&mut state, [record]);
        assert_eq!(state.delete_version("s", VersionName::Number(1)).unwrap_err().code(), 40406);
        for name in ["0", "-2", "first", "99999999999"] {
            assert_eq!(VersionName::parse(name).unwrap_err().code(), 42202, "{name}");
        }
    }

    #[test]
    fn a_subject_deleted_by_another_registry_is_deleted() {
        let mut state = State::default();
        register(&mut state, "s", &schema("")).unwrap();
        let key = Key::DeleteSubject { subject: "s".into(), magic: 0 };
        state.apply(&key, Some(br#"{"subject":"s","version":1}"#)).unwrap();
        assert!(state.subjects("", false).is_empty());
    }
}
