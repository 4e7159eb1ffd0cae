//! Commands, from the agent's request to the one answer.
//!
//! Owns what was asked of whom, which device was given it on which connection, and what it replied. The number of a question is
//! in its payload and in every reply, so that nothing can be mistaken for something else.

use super::{Ledger, TENANTS};

/// A question among so many of the last ones may be asked again.
const REPEATABLE: usize = 24;
/// More often it is not asked again.
const AGAIN_MAX: usize = 3;

/// What a question is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A command that the device has, with fitting arguments.
    Well,
    /// A device that does not exist.
    UnknownDevice,
    /// A command that no device has.
    UnknownCommand,
    /// Arguments that do not fit.
    BadArguments,
}

/// One command.
#[derive(Debug)]
pub struct Question {
    /// Who asks.
    pub tenant: usize,
    /// Of whom; nobody for a device that does not exist.
    pub identity: Option<usize>,
    /// What about.
    pub asked: Asked,
    /// The command's name.
    pub command: &'static str,
    /// The payload, byte for byte.
    pub payload: String,
    /// The time limit of the request, in milliseconds.
    pub timeout_ms: u64,
    /// When the agent began to say it.
    pub said_ms: u64,
    /// The same in steps.
    pub said_step: u64,
    /// What the device was certain to have when it was said.
    pub deliveries: Vec<Delivery>,
    /// What was replied, in order.
    pub replies: Vec<Reply>,
    /// The status and the outcome that the agent was told.
    pub ended: Option<(u16, String)>,
    /// Its requests carry an idempotency key.
    pub keyed: bool,
    /// Its request names the time limit.
    pub given: bool,
    /// So often it was asked again.
    pub again: usize,
    /// What the agent was told, in full.
    pub told: Option<Told>,
    /// Its request is said in small pieces: it may be found too slow.
    pub dribbled: bool,
    /// When the agent was told, in steps.
    pub ended_step: Option<u64>,
    /// The same in milliseconds, of a command that ran alone.
    pub ended_ms: Option<u64>,
    /// The most attempts that were shown to whoever asked, and when, in steps.
    pub attempts_shown: (u32, u64),
    /// Its agent does not want to wait.
    pub hasty: bool,
    /// It may wait for its device.
    pub queues: bool,
    /// It was taken under this id, and its agent does not wait.
    pub taken_as: Option<String>,
    /// Somebody takes it back.
    pub taking_back: bool,
    /// It was taken back, and whether unsent.
    pub taken_back: Option<bool>,
    /// When that was told, in steps.
    pub taken_back_step: u64,
    /// It had ended before it could be taken back.
    pub finished: bool,
}

/// What an agent was told of a command: equal for all who asked under one idempotency key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// The command's id; empty when it was declined.
    pub id: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened at the device.
    pub outcome: String,
    /// `data`, or the error's sentence.
    pub text: String,
}

impl Told {
    /// Whether it may have had an effect, and stands for every repeat: what never reached the device is run anew.
    pub fn is_final(&self) -> bool {
        !self.id.is_empty() && self.outcome != "not_sent"
    }
}

/// A device was given the command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// On this link.
    pub link: usize,
    /// The id it came with.
    pub id: String,
    /// It came as a repeat.
    pub dup: bool,
    /// The time that was left to the device when it was sent, in milliseconds.
    pub left_ms: u64,
    /// When it was heard, in steps.
    pub step: u64,
}

/// A device replied.
#[derive(Debug)]
pub struct Reply {
    /// On this link.
    pub link: usize,
    /// When, in steps.
    pub step: u64,
    /// To the attempt with this id.
    pub id: String,
    /// The how manieth on that link, from 0.
    pub copy: usize,
    /// It is the first to its attempt on that link.
    pub first: bool,
    /// The device did it.
    pub success: bool,
    /// `data`, or the error's text, byte for byte.
    pub text: String,
    /// When the gateway had certainly read it: the PUBACK came.
    pub read_ms: Option<u64>,
}

impl Question {
    /// Makes it one that every described device has a command for.
    pub fn make_plain(&mut self, n: usize) {
        self.command = "echo";
        self.payload = format!(r#"{{"q":{n}}}"#);
    }
}

impl Ledger {
    /// An agent asks. Gives the number of the question.
    pub fn ask(
        &mut self,
        tenant: usize,
        identity: Option<usize>,
        asked: Asked,
        timeout_ms: u64,
        bulk: usize,
    ) -> usize {
        let n = self.questions.len();
        let bulk = "x".repeat(bulk);
        let (command, payload) = match asked {
            Asked::Well | Asked::UnknownDevice if n.is_multiple_of(3) => {
                ("set", format!(r#"{{"q": {n}, "value":1.50e1}}"#))
            }
            Asked::Well | Asked::UnknownDevice => ("echo", format!(r#"{{"q":{n},"pad":"{bulk}"}}"#)),
            Asked::UnknownCommand => ("nope", format!(r#"{{"q":{n}}}"#)),
            Asked::BadArguments => ("set", format!(r#"{{"q":{n},"value":"high"}}"#)),
        };
        self.questions.push(Question {
            tenant,
            identity,
            asked,
            command,
            payload,
            timeout_ms,
            said_ms: self.now_ms,
            said_step: self.step,
            deliveries: Vec::new(),
            replies: Vec::new(),
            keyed: false,
            given: true,
            again: 0,
            told: None,
            dribbled: false,
            ended: None,
            ended_step: None,
            ended_ms: None,
            attempts_shown: (0, 0),
            hasty: false,
            queues: false,
            taken_as: None,
            taking_back: false,
            taken_back: None,
            taken_back_step: 0,
            finished: false,
        });
        n
    }

    /// A device replies to the attempt that it was given. Gives the text: `data`, or the error.
    pub fn reply(&mut self, n: usize, link: usize, id: &str, success: bool) -> String {
        let (who, step) = (self.who(self.links[link].identity), self.step);
        let replies = &mut self.questions[n].replies;
        let copy = replies.iter().filter(|reply| reply.link == link).count();
        let first = !replies.iter().any(|reply| reply.link == link && reply.id == id);
        let text = match success {
            true => format!(r#"{{"q": {n},"who":"{who}","link":{link},"copy":{copy},"f":1.50e1}}"#),
            false => format!("q {n} of {who} on {link}, {copy}"),
        };
        let id = id.to_owned();
        replies.push(Reply { link, step, id, copy, first, success, text: text.clone(), read_ms: None });
        text
    }

    /// The gateway has acknowledged a reply.
    pub fn reply_read(&mut self, n: usize, link: usize, copy: usize) {
        let now_ms = self.now_ms;
        let reply =
            self.questions[n].replies.iter_mut().find(|reply| reply.link == link && reply.copy == copy);
        if let Some(reply) = reply {
            reply.read_ms.get_or_insert(now_ms);
        }
    }

    /// The earliest moment at which a command can have timed out.
    pub fn expires_ms(&self, n: usize) -> u64 {
        self.questions[n].said_ms + self.questions[n].timeout_ms + self.limits.command_grace_ms
    }

    /// The most commands of a tenant, or of one device, beside question `n`, that were under way at one moment between the
    /// moment when `n` was said and now: a refusal is decided at some moment between the two.
    pub fn most_beside(&self, n: usize, of: impl Fn(&Question) -> bool) -> usize {
        let since = self.questions[n].said_step;
        let others: Vec<(u64, u64)> = (self.questions.iter().enumerate())
            .filter(|&(other, question)| other != n && of(question))
            .map(|(_, question)| (question.said_step, question.ended_step.unwrap_or(u64::MAX)))
            .filter(|&(_, ended)| ended >= since)
            .collect();
        let moments = others.iter().map(|&(said, _)| said.max(since));
        let under_way = |at: u64| others.iter().filter(|&&(said, ended)| said <= at && at <= ended).count();
        moments.map(under_way).max().unwrap_or(0)
    }

    /// A question of this tenant that may be asked again: a recent one with a key.
    pub fn repeatable(&self, tenant: usize) -> Vec<usize> {
        let recent = self.questions.iter().enumerate().rev().take(REPEATABLE);
        let fits =
            |question: &Question| question.keyed && question.tenant == tenant && question.again < AGAIN_MAX;
        recent.filter(|(_, question)| fits(question)).map(|(n, _)| n).collect()
    }

    /// The request was turned away before anybody looked at what it asks.
    pub fn put_off(&mut self, n: usize) {
        if !self.questions[n].keyed {
            self.questions[n].ended = Some((503, String::new()));
            self.questions[n].ended_step = Some(self.step);
            self.questions[n].ended_ms = Some(self.now_ms);
        }
    }

    /// A question whose request is said in small pieces.
    pub fn dribble(&mut self, n: usize) {
        self.questions[n].dribbled = true;
    }

    /// The path of a question's request.
    pub fn path(&self, n: usize) -> String {
        let Question { tenant, identity, .. } = &self.questions[n];
        let device = identity.map_or("nobody", |identity| self.identities[identity].name);
        format!("/v1/agents/{}/devices/{device}/commands", TENANTS[*tenant])
    }
}
