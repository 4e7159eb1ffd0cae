//! What the post promises on one thread; what it promises between threads is in `neighbour.rs` and `tests/loom_mailbox.rs`.

use super::*;
use std::sync::atomic::AtomicUsize;

/// A box and how often its bell was rung.
fn counted(letters_max: usize) -> (Arc<Mailbox<u32>>, Arc<AtomicUsize>) {
    let rings = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&rings);
    let bell = move || {
        seen.fetch_add(1, Ordering::Relaxed);
    };
    (Mailbox::new(letters_max, Box::new(bell)), rings)
}

fn rung(rings: &AtomicUsize) -> usize {
    rings.swap(0, Ordering::Relaxed)
}

#[test]
fn wakes_a_sleeper_once_per_turn_however_many_letters() {
    let (mailbox, rings) = counted(16);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    assert!(mailbox.arm());
    for n in 0..10 {
        post.post(0, n);
    }
    assert_eq!(rung(&rings), 0, "not before the flush");
    post.flush();
    post.post(0, 10);
    post.flush();
    assert_eq!(rung(&rings), 1, "the second time it was awake already");
    assert_eq!(post.rings(), 1);
}

#[test]
fn does_not_ring_who_is_awake_or_was_not_written_to() {
    let ((awake, awake_rings), (asleep, asleep_rings)) = (counted(4), counted(4));
    let mut post = Post::new(vec![Arc::clone(&awake), Arc::clone(&asleep)]);
    assert!(asleep.arm());
    post.post(0, 1);
    post.flush();
    assert_eq!((rung(&awake_rings), rung(&asleep_rings)), (0, 0));
}

#[test]
fn does_not_let_a_receiver_sleep_beside_a_letter() {
    let (mailbox, rings) = counted(4);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    post.post(0, 1);
    assert!(!mailbox.arm());
    mailbox.disarm();
    post.flush();
    assert_eq!(rung(&rings), 0);
    assert_eq!((mailbox.len(), mailbox.take(), mailbox.is_empty()), (1, Some(1), true));
}

#[test]
fn keeps_what_does_not_fit_in_order_at_the_sender() {
    let (mailbox, _) = counted(3);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    for n in 0..8 {
        post.post(0, n);
    }
    assert_eq!((post.unposted(), post.retry_after()), (5, Some(RETRY_AFTER)));
    let mut seen = Vec::new();
    let mut next = 8;
    while seen.len() < 20 {
        seen.extend(mailbox.take());
        if next < 20 {
            // Posted while there is room in the ring and older letters wait: it must not overtake them.
            post.post(0, next);
            next += 1;
        }
        post.flush();
    }
    assert_eq!(seen, (0..20).collect::<Vec<u32>>());
    assert_eq!((post.unposted(), post.retry_after()), (0, None));
    assert!(post.unposted_peak() >= 5);
}

#[test]
fn a_full_box_delays_only_its_own_letters() {
    let ((full, _), (roomy, _)) = (counted(1), counted(8));
    let mut post = Post::new(vec![full, Arc::clone(&roomy)]);
    for n in 0..3 {
        post.post(0, n);
        post.post(1, n);
    }
    post.flush();
    assert_eq!(post.unposted(), 2);
    assert_eq!(roomy.len(), 3);
}

#[test]
fn rings_a_sleeper_whose_ring_someone_else_filled() {
    let (mailbox, rings) = counted(1);
    let mut first = Post::new(vec![Arc::clone(&mailbox)]);
    let mut second = Post::new(vec![Arc::clone(&mailbox)]);
    assert!(mailbox.arm());
    first.post(0, 1);
    // `first` has not flushed; `second` finds the ring full and a sleeper who would not empty it.
    second.post(0, 2);
    second.flush();
    assert_eq!(rung(&rings), 1);
}

#[test]
fn is_congested_from_the_mark_on_and_never_refuses() {
    let (mailbox, _) = counted(1);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    for n in 0..=UNPOSTED_LETTERS_MARK as u32 {
        assert!(!post.congested());
        post.post(0, n);
    }
    assert!(post.congested());
    post.post(0, u32::MAX);
    let mut letters = 0;
    while mailbox.take().is_some() {
        letters += 1;
        post.flush();
    }
    assert_eq!(letters, UNPOSTED_LETTERS_MARK + 2);
    assert!(!post.congested());
}

#[test]
fn is_not_congested_by_little_mail_for_many_neighbours() {
    let mailboxes: Vec<_> = (0..4).map(|_| counted(1).0).collect();
    let mut post = Post::new(mailboxes);
    for n in 0..4 * (UNPOSTED_LETTERS_MARK as u32 - 1) {
        post.post(n as usize % 4, n);
    }
    assert!(post.unposted() > UNPOSTED_LETTERS_MARK && !post.congested());
    (0..2).for_each(|n| post.post(3, n));
    assert!(post.congested());
    assert_eq!(
        (post.unposted_to(3), post.unposted_to(0)),
        (UNPOSTED_LETTERS_MARK, UNPOSTED_LETTERS_MARK - 2)
    );
}

#[test]
fn gives_the_room_of_a_burst_back() {
    let (mailbox, _) = counted(1);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    for n in 0..10 * WAITING_KEPT as u32 {
        post.post(0, n);
    }
    while mailbox.take().is_some() {
        post.flush();
    }
    assert!(post.lanes[0].waiting.capacity() <= WAITING_KEPT);
}

#[test]
fn flushing_with_nothing_posted_does_nothing() {
    let (mailbox, rings) = counted(1);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    assert!(mailbox.arm());
    post.flush();
    assert_eq!((rung(&rings), post.unposted()), (0, 0));
    assert_eq!(post.neighbours(), 1);
}

#[test]
fn a_self_addressed_letter_keeps_its_writer_awake() {
    let (mailbox, rings) = counted(4);
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    post.post(0, 7);
    post.flush();
    assert!(!mailbox.arm());
    mailbox.disarm();
    assert_eq!((mailbox.take(), rung(&rings)), (Some(7), 0));
}
