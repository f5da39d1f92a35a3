//! The store: one suite that every backend passes, and what is particular to one.
//!
//! To add a test: write `async fn name(store: &dyn Store)` in the file of its topic and name it in
//! the list below; it then runs on every backend.

mod accounts;
mod accounts_model;
mod agents;
mod care;
mod copying;
mod crash;
mod digests;
mod drills;
mod editions;
mod errands;
mod hubs;
mod killed;
mod leases;
mod looking;
mod metrics;
mod metrics_crash;
mod metrics_model;
mod outbox;
mod past;
mod pictures;
mod postgres;
mod reading;
mod recording;
mod retention;
mod review;
mod rotas;
mod rules;
mod scene;
mod sessions;
mod shortfall;
mod sqlite;
mod succession;

pub(crate) use self::sqlite::first_version;

/// Runs each test of the contract on a fresh store of each backend.
macro_rules! on_every_backend {
    ($($topic:ident { $($name:ident)* })*) => {
        on_every_backend! { @ on_sqlite sqlite $($topic { $($name)* })* }
        on_every_backend! { @ on_postgres postgres $($topic { $($name)* })* }
    };
    (@ $on:ident $backend:ident $($topic:ident { $($name:ident)* })*) => {
        mod $on {
            $(mod $topic {
                $(#[tokio::test]
                async fn $name() {
                    let fresh = crate::store::$backend::Fresh::new().await;
                    crate::store::$topic::$name(&fresh.store).await;
                    fresh.close().await;
                })*
            })*
        }
    };
}

on_every_backend! {
    drills {
        a_round_is_owed_once_and_what_arrives_is_its_proof
        a_drill_leaves_after_all_else_and_is_counted_nowhere
        what_a_channel_is_broken_by_is_known_and_a_lost_lease_decides_nothing
    }
    rotas {
        a_message_to_a_rota_is_handed_on_once
        what_is_over_goes_to_those_who_were_told
        what_is_over_before_anybody_was_told_goes_to_whoever_is_on_duty
        a_message_to_a_rota_by_email_goes_on_by_email
    }
    succession {
        what_is_given_up_is_told_to_others_once
        what_nobody_else_can_be_told_is_tried_on_until_it_arrives_or_is_over
        what_did_not_arrive_is_given_up_once_and_words_in_any_order_are_heard
        a_message_that_was_taken_twice_is_lost_only_twice
        an_end_goes_to_those_who_were_told_instead
        nobody_is_told_instead_of_what_was_acknowledged_or_is_over
        a_broken_channel_is_found_once_and_mended_by_what_is_sent
        an_end_finds_a_broken_channel_and_what_was_mended_is_not_broken_again
        what_is_unproven_is_handed_out_when_it_is_due
        an_answer_is_acted_upon_once
        a_person_has_the_incidents_they_were_told_of
    }
    recording {
        a_run_is_stored_once
        an_unknown_result_does_not_hide_the_run_before_it
        slots_that_come_again_after_the_clock_was_set_back_count
        a_run_of_a_forgotten_streak_is_still_stored_once
        a_run_that_was_counted_out_of_order_is_still_stored_once
        a_run_comes_back_whole
        a_result_its_decision_and_its_messages_are_one
        nothing_is_recorded_of_nothing
        batches_decide_as_single_results_do
        a_failure_below_the_quorum_says_why_nobody_is_told
        late_failures_count_and_tell_nobody
        a_check_that_is_gone_has_its_incident_closed
        results_of_a_check_that_is_gone_decide_nothing
    }
    review {
        a_check_of_which_nothing_is_known_is_told_of_once
        an_answer_ends_it_and_tells_those_who_were_told
        a_region_of_which_nothing_is_known_is_one_incident
        whoever_lost_the_lease_decides_nothing
    }
    outbox {
        what_is_claimed_is_leased
        a_lost_lease_is_a_possible_repeat
        a_repeat_that_had_not_left_is_handed_out_again
        a_repeat_that_is_lost_after_it_left_is_given_up
        a_repeat_that_was_refused_may_leave_again
        a_clock_set_back_keeps_nobody_waiting
        one_recipient_is_told_in_order
        channels_have_lanes_of_their_own
        a_recipient_is_sent_one_at_a_time
        a_retry_is_due_when_it_says
        an_acceptance_always_counts
        a_lost_claim_changes_nothing
        an_acceptance_by_a_lost_claim_is_recorded_once
        a_claim_that_ran_out_and_was_taken_by_nobody_is_held
        a_recovery_takes_the_place_of_what_was_not_sent
        a_recovery_waits_for_what_is_being_sent
        a_recovery_takes_the_place_of_what_was_refused_meanwhile
        a_recovery_waits_for_the_repeat_of_what_may_have_arrived
        a_recovery_takes_the_place_of_what_was_held_meanwhile
        what_is_told_again_takes_the_place_of_what_was_refused_meanwhile
        a_recovery_after_a_sent_failure_is_not_the_first_word
        a_recovery_after_a_failure_that_was_given_up_is_the_first_word
        a_further_tier_is_not_the_first_word
        the_backlog_counts_by_channel
        webhooks_are_handed_out_many_at_once
        webhooks_about_one_incident_follow_each_other
        attempts_are_recorded_together_and_each_by_its_claim
    }
    digests {
        what_is_owed_to_one_recipient_is_seen_together
        what_happened_is_read_with_it
        what_comes_along_with_a_claim_is_what_would_be_asked
        what_is_owed_is_handed_out_with_its_recording
        a_clock_set_back_keeps_nothing_from_being_claimed
        a_digest_is_told_once_for_all_that_is_in_it
        a_digest_that_may_have_arrived_is_repeated_as_it_was
        a_digest_that_was_refused_for_now_is_gathered_anew
        what_is_over_leaves_a_digest_that_was_refused
        a_digest_that_is_given_up_names_what_was_in_it
        a_claim_that_was_lost_gathers_and_holds_nothing
        what_is_held_is_due_later
        stamps_tell_when_what_happened
    }
    past {
        results_of_a_time_come_in_pages
        results_are_whole_from_what_is_forgotten_on
        results_that_all_led_to_decisions_are_whole_from_the_first
        what_people_did_and_who_was_told_is_known
    }
    looking {
        incidents_are_found_by_what_is_said_of_them
        messages_are_found_by_how_they_stand
        a_glance_shows_that_something_has_changed
    }
    reading {
        runs_are_filtered_and_the_latest_come_first
        incidents_are_filtered_and_the_latest_come_first
        decisions_say_why_nobody_was_told
        states_come_back_as_they_were_decided
        old_runs_are_forgotten_but_not_those_of_incidents
        what_is_not_there_is_none
    }
    accounts {
        a_watch_goes_on_until_it_changes
        every_slot_ends_as_a_run_or_in_a_gap
        an_agent_that_lives_is_not_missed
        what_is_switched_off_is_told_and_takes_nothing
        a_late_run_repairs_the_coverage
        a_gap_grows_from_round_to_round
        lateness_is_a_distribution
        old_accounts_are_forgotten
        of_two_hubs_one_accounts_for_a_slot
        a_slot_that_nobody_knows_of_is_found
    }
    care {
        an_acknowledgement_holds_back_and_ends
        an_act_on_what_is_over_is_refused
        what_came_of_a_run_is_told_of_what_is_over_and_changes_nothing_else
        what_is_closed_by_hand_is_opened_again
        a_silence_holds_back_until_it_ends
        rules_that_change_are_heeded
        what_is_told_once_more_takes_the_place_of_what_was_not_sent
        failures_are_remembered_one_by_one
    }
    editions {
        a_hub_that_is_behind_changes_nothing
        a_change_may_be_taken_back
        what_is_accounted_for_is_not_expected_anew
        what_ended_meanwhile_is_not_accounted_for
        what_was_accounted_for_ahead_of_time_is_taken_back
    }
    agents {
        a_name_is_one_instances_until_its_lease_ends
        what_an_agent_says_is_remembered_until_it_is_forgotten
    }
    retention {
        each_kind_of_run_is_forgotten_in_its_time
        incidents_are_forgotten_with_all_that_is_theirs
        what_must_be_kept_is_kept
        uptime_outlives_the_runs
        what_is_forgotten_is_not_missed_when_more_is_kept_later
        an_hour_is_counted_once
        runs_that_come_late_change_the_count_of_their_hour
    }
    shortfall {
        too_little_known_is_one_incident_until_enough_is
        a_check_that_falls_silent_is_told_of
        runs_that_come_late_end_a_silence
        a_silence_goes_on_while_agents_come_and_go
        slots_that_a_wrong_clock_accounted_for_are_no_silence
        a_lost_region_is_not_told_of_twice
    }
    metrics {
        points_are_found_by_their_labels
        what_a_metric_measures_is_as_was_said_first
        the_first_point_of_a_time_stays
        a_part_of_time_has_one_point
        points_of_any_age_are_taken
        what_is_old_is_rolled_up
        no_more_is_kept_or_read_than_may_be
        series_that_fell_silent_make_room
        what_a_series_measures_is_said_by_its_source
        much_at_once_is_stored_in_parts
        series_of_a_time_are_listed
    }
    errands {
        a_leg_is_given_away_once_and_ends_once
        what_nobody_takes_or_brings_is_given_up
        a_check_is_run_by_hand_once_at_a_time_and_not_too_often
        an_errand_is_kept_until_it_is_told_and_old
        the_output_of_a_run_is_kept_while_it_is_somebodys
    }
    pictures {
        a_message_is_handed_out_for_a_picture_once
        only_the_root_of_a_thread_has_a_picture
    }
    rules {
        a_time_is_passed_once
    }
    sessions {
        a_session_lasts_until_it_is_ended_or_forgotten
        attempts_are_counted_by_each_of_their_subjects
        of_attempts_at_the_same_time_no_more_are_granted
    }
    leases {
        one_holds_a_lease_at_a_time
        a_lease_is_given_back
    }
}
