//! The proof of the paths of a project: which paths there are, who looks at them, who is asked; and the
//! heartbeat, which tells others that everything works.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::channels::{has_address, is_set_up};
use super::daemon::StartError;
use super::heart::{Beat, Heart};
use super::hub::Aftermath;
use super::people::order;
use super::witness::Witness;
use super::works::Works;
use crate::clock::Clock;
use crate::config::Project;
use crate::domain::drill::Terms;
use crate::domain::policy::{Recipient, Target};
use crate::engine::drills::{Drills, InForce, Lookout, Parts};
use crate::engine::judge::ProjectJudge;
use crate::store::Ledger;
use crate::store::drills::Drills as Paths;

/// What proves paths, by the project in force.
#[derive(Debug, Clone)]
pub(super) struct Proving {
    /// Who is asked about paths.
    pub(super) drills: Drills,
    /// The heartbeat.
    pub(super) heart: Heart,
}

impl Proving {
    /// Looks at the paths of `project` from now on, until the works end.
    pub(super) fn start(
        project: &Project,
        works: &Works,
        (store, judge): (&Arc<dyn Ledger>, &Arc<ProjectJudge>),
        (clock, witness): (&Arc<dyn Clock>, &Arc<dyn Witness>),
    ) -> Result<Self, StartError> {
        let heart = Heart::new(Beat::of(&project.settings)?);
        let in_force = Arc::new(ArcSwap::from_pointee(in_force(project)));
        let parts = Parts {
            store: Arc::clone(store),
            in_force: Arc::clone(&in_force),
            judge: Arc::clone(judge),
            clock: Arc::clone(clock),
            observer: Arc::new(Aftermath::of(works, witness)),
        };
        let drills = Drills {
            store: Arc::clone(store) as Arc<dyn Paths>,
            in_force,
            clock: Arc::clone(clock),
            observer: Arc::clone(&parts.observer),
        };
        let lookout = Lookout::new(parts);
        works.spawn(|halt| lookout.run(halt));
        Ok(Self { drills, heart })
    }

    /// Goes by this project from now on, and sends its heartbeat.
    pub(super) fn replace(&self, project: &Project, beat: Option<Arc<Beat>>) {
        self.drills.in_force.store(Arc::new(in_force(project)));
        self.heart.replace(beat);
    }
}

/// The paths that the policies in use, the rules and the fallback lead to.
fn in_force(project: &Project) -> InForce {
    let settings = &project.settings;
    let policies = project.policies_in_use();
    let rules = settings.rules.all.iter().map(|rule| &rule.policy);
    let tiers = policies.chain(rules).flat_map(|policy| &policy.tiers);
    let targets = tiers.flat_map(|tier| &tier.notify).chain(&settings.fallback);
    let (roster, order) = (settings.people.roster.clone(), order(settings));
    // Whom nothing could reach lacks no credentials.
    let lack = |path: &Recipient| {
        let lack = settings.lack_of(path.channel()).filter(|_| has_address(settings, path));
        lack.map(|it| it.to_string())
    };
    let terms = Terms::of(targets, roster, &order, (|path| is_set_up(settings, path), lack));
    let policy = settings.policies.get(settings.default_policy());
    let tiers: Vec<Vec<Target>> =
        policy.into_iter().flat_map(|it| &it.tiers).map(|tier| tier.notify.clone()).collect();
    let (plan, fallback) = (settings.drill.clone(), settings.fallback.clone());
    InForce {
        terms: Terms { plan, tiers, fallback, ..terms },
        region: settings.agent.region.clone(),
    }
}
