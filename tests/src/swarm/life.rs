//! How long nodes stay.

use std::time::Duration;

use super::{PeerIndex, Setup, Swarm};

/// How long nodes stay: after a Weibull distribution with shape 0.5, as measured in networks of this kind (Stutzbach and
/// Rejaie, "Understanding churn in peer-to-peer networks", 2006): many stay for minutes, some for days.
#[derive(Debug, Clone, Copy)]
pub struct Sessions {
    /// What part of the nodes leaves in an hour.
    pub hourly: f64,
}

impl Swarm {
    /// Lets a time pass in which nodes leave without a word and others come in their stead; `each` is called once a
    /// minute.
    pub fn churn(&mut self, sessions: Sessions, time: Duration, each: impl FnMut(&mut Self)) {
        self.churn_but(sessions, time, None, each);
    }

    /// The same; one of them stays.
    pub fn churn_but(
        &mut self,
        sessions: Sessions,
        time: Duration,
        but: Option<PeerIndex>,
        mut each: impl FnMut(&mut Self),
    ) {
        // The mean of a Weibull distribution of shape 1/2 is twice its scale.
        let mean = 3600.0 / sessions.hourly;
        let scale = mean / 2.0;
        let end = self.now + time;
        let mut leaving: Vec<(Duration, PeerIndex)> = Vec::new();
        for index in self.up().into_iter().filter(|index| Some(*index) != but) {
            let left = self.equilibrium(scale);
            leaving.push((self.now + left, index));
        }
        leaving.sort_unstable();
        let mut minute = self.now;
        while self.now < end {
            minute += Duration::from_secs(60);
            while let Some((at, index)) = leaving.first().copied().filter(|(at, _)| *at <= minute) {
                leaving.remove(0);
                if at > self.now {
                    self.run_for(at - self.now);
                }
                self.kill(index);
                let setup = Setup { liar: self.peers[index.0].liar, ..Setup::default() };
                let known = self.some_addresses(5);
                let new = self.add(setup, &known);
                let stays = self.session(scale);
                let place = leaving.partition_point(|(at, _)| *at <= self.now + stays);
                leaving.insert(place, (self.now + stays, new));
            }
            if minute > self.now {
                self.run_for(minute - self.now);
            }
            each(self);
        }
    }

    /// How long a node that comes now stays.
    fn session(&mut self, scale: f64) -> Duration {
        let u = self.unit().max(1e-6);
        Duration::from_secs_f64(scale * u.ln().powi(2))
    }

    /// How long one of those that are there now stays on: those who stay long are seen more often.
    fn equilibrium(&mut self, scale: f64) -> Duration {
        // Length-biased choice among drawn sessions, then a uniformly random part of it.
        let mut chosen = self.session(scale);
        for _ in 0..16 {
            let other = self.session(scale);
            let heavier = other.as_secs_f64() / (other + chosen).as_secs_f64().max(1e-9);
            if self.random.chance(heavier) {
                chosen = other;
            }
        }
        chosen.mul_f64(self.unit())
    }
}
