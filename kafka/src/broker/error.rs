//! From librdkafka's errors to ours: who must react, and how.
//!
//! Always holds: an error that the client calls fatal is [`ErrorClass::Fatal`]; a transaction's error that librdkafka
//! gives no class counts as fatal too, as its manual advises. Does not know: what was asked for.

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::log::{ErrorClass, LogError};

/// An error of a call that is no part of a transaction, with what was tried in words.
pub(super) fn plain(what: &str, error: &KafkaError) -> LogError {
    LogError { class: class(error), message: format!("{what}: {error}") }
}

/// The same, for a call on a client: a client beyond repair says why in its own words.
pub(super) fn of_client<C: ClientContext>(client: &Client<C>, what: &str, error: &KafkaError) -> LogError {
    match client.fatal_error() {
        Some((code, reason)) => LogError::fatal(format!("{what}: {code}: {reason}")),
        None => plain(what, error),
    }
}

/// Who must react to an error of a transaction: retry the call, abort the transaction, or give up the writer.
pub(super) fn transaction_class(error: &KafkaError) -> ErrorClass {
    match error {
        KafkaError::Transaction(native) if native.is_fatal() => ErrorClass::Fatal,
        KafkaError::Transaction(native) if native.txn_requires_abort() => ErrorClass::MustAbort,
        KafkaError::Transaction(native) if native.is_retriable() => ErrorClass::Retriable,
        KafkaError::Flush(_) => ErrorClass::Retriable,
        _ => ErrorClass::Fatal,
    }
}

fn class(error: &KafkaError) -> ErrorClass {
    match error {
        KafkaError::MessageConsumptionFatal(_)
        | KafkaError::ClientConfig(..)
        | KafkaError::ClientCreation(_)
        | KafkaError::AdminOpCreation(_)
        | KafkaError::Nul(_) => ErrorClass::Fatal,
        KafkaError::Transaction(_) => transaction_class(error),
        // an assignment that has been overtaken
        KafkaError::Subscription(_) => ErrorClass::MustAbort,
        KafkaError::AdminOp(code) => class_of_code(*code),
        _ => error.rdkafka_error_code().map_or(ErrorClass::Retriable, class_of_code),
    }
}

/// The class of a code outside transactions.
pub(super) fn class_of_code(code: RDKafkaErrorCode) -> ErrorClass {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Fatal
        | Code::Fenced
        | Code::ProducerFenced
        | Code::FencedInstanceId
        | Code::UnreleasedInstanceId
        | Code::InvalidProducerEpoch
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedVersion
        | Code::UnsupportedAssignor
        | Code::InconsistentGroupProtocol
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidConfig
        | Code::PolicyViolation
        | Code::InvalidArgument
        | Code::NotImplemented
        // bytes of the log that cannot be read: going on would skip records in silence
        | Code::BadMessage
        | Code::BadCompression
        | Code::InvalidMessage
        | Code::UnsupportedCompressionType => ErrorClass::Fatal,
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::RebalanceInProgress
        | Code::StaleMemberEpoch
        | Code::FencedMemberEpoch
        | Code::AssignmentLost
        | Code::OffsetMetadataTooLarge
        | Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::UnknownPartition
        | Code::UnknownTopic
        | Code::State
        | Code::MessageTimedOut
        | Code::PurgeQueue
        | Code::PurgeInflight => ErrorClass::MustAbort,
        _ => ErrorClass::Retriable,
    }
}
