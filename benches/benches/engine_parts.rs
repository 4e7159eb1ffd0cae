//! The small parts of a core's turn: what a letter costs, and what a deadline costs.
//!
//! It owns the shapes that are measured (a turn's worth of letters, a million rows on the wheel) and judges nothing. All
//! times are for one letter, one row or one alarm ("elem"), except where a group says "sweep".

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::mailbox::{Mailbox, Post};
use engine::slots::{Key, Queue, Slots};
use engine::timer::{Alarms, Wheel};

/// As long as a command between cores: a few keys and a boxed payload.
type Letter = [u64; 12];

const LETTER: Letter = [7; 12];
const ROWS: u32 = 1_000_000;
/// A keep-alive's distance in ticks: 45 s.
const AHEAD_TICKS: u32 = 450;

/// Post and take on one thread: the work of both sides without the cache misses between cores.
fn letters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("letters");
    for letters in [1, 16, 256] {
        let mailbox = Mailbox::new(1024, Box::new(|| {}));
        let mut post = Post::new(vec![Arc::clone(&mailbox)]);
        group.throughput(Throughput::Elements(letters));
        group.bench_function(format!("post_flush_take/{letters}_per_turn"), |bencher| {
            bencher.iter(|| {
                for _ in 0..letters {
                    post.post(0, black_box(LETTER));
                }
                post.flush();
                while let Some(letter) = mailbox.take() {
                    black_box(letter);
                }
            });
        });
    }
    let mailbox = Mailbox::new(64, Box::new(|| {}));
    let mut post = Post::new(vec![Arc::clone(&mailbox)]);
    group.throughput(Throughput::Elements(256));
    group.bench_function("ring_of_64_overflows/256_per_turn", |bencher| {
        bencher.iter(|| {
            for _ in 0..256 {
                post.post(0, black_box(LETTER));
            }
            loop {
                post.flush();
                while let Some(letter) = mailbox.take() {
                    black_box(letter);
                }
                if post.unposted() == 0 {
                    break;
                }
            }
        });
    });
    let mailbox = Mailbox::<Letter>::new(64, Box::new(|| {}));
    group.throughput(Throughput::Elements(1));
    group.bench_function("arm_disarm", |bencher| {
        bencher.iter(|| {
            black_box(mailbox.arm());
            mailbox.disarm();
        });
    });
    group.finish();
}

/// A thread that posts and a thread that takes, both on their own core where there are two.
fn letters_between_threads(criterion: &mut Criterion) {
    const PER_TURN: u64 = 16;
    let mut group = criterion.benchmark_group("letters_between_threads");
    group.throughput(Throughput::Elements(1));
    group.bench_function("flood", |bencher| {
        bencher.iter_custom(|letters| {
            let mailbox = Mailbox::<Letter>::new(4096, Box::new(|| {}));
            let mut post = Post::new(vec![Arc::clone(&mailbox)]);
            let begun = Instant::now();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    for letter in 0..letters {
                        post.post(0, black_box(LETTER));
                        if letter % PER_TURN == 0 {
                            post.flush();
                        }
                    }
                    while post.unposted() > 0 {
                        post.flush();
                        std::thread::yield_now();
                    }
                });
                let mut taken = 0;
                while taken < letters {
                    match mailbox.take() {
                        Some(letter) => {
                            black_box(letter);
                            taken += 1;
                        }
                        None => std::thread::yield_now(),
                    }
                }
            });
            begun.elapsed()
        });
    });
    group.finish();
}

/// A million rows, each with its deadline somewhere in the next 45 s.
fn million_rows() -> Wheel {
    let mut wheel = Wheel::new(Instant::now());
    for row in 0..ROWS {
        wheel.set(row, 1 + row % AHEAD_TICKS);
    }
    wheel
}

/// Rows far from one another, as the traffic of a fleet is.
struct Traffic(u32);

impl Traffic {
    fn next_row(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.0) * u64::from(ROWS)) >> 32) as u32
    }
}

fn wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wheel");
    let mut wheel = million_rows();
    let mut traffic = Traffic(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("re_arm_later/random_of_1M", |bencher| {
        bencher.iter(|| {
            let row = traffic.next_row();
            wheel.set(row, black_box(AHEAD_TICKS + 1));
        });
    });
    group.bench_function("re_arm_later/one_row", |bencher| {
        bencher.iter(|| wheel.set(black_box(5), black_box(AHEAD_TICKS)));
    });
    let ticks = wheel.ticks();
    let at = Instant::now() + Duration::from_secs(45);
    group.bench_function("deadline_of_an_instant", |bencher| bencher.iter(|| ticks.deadline(black_box(at))));
    group.bench_function("next_due", |bencher| bencher.iter(|| wheel.next_due()));
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(ROWS)));
    group.bench_function("insert/1M", |bencher| bencher.iter_with_large_drop(million_rows));
    group.bench_function("re_arm_sooner/1M_at_random", |bencher| {
        bencher.iter_batched(
            || {
                let mut wheel = Wheel::new(Instant::now());
                (0..ROWS).for_each(|row| wheel.set(row, AHEAD_TICKS + row % AHEAD_TICKS));
                wheel
            },
            |mut wheel| {
                for tick in 0..ROWS {
                    wheel.set(traffic.next_row(), AHEAD_TICKS - tick * AHEAD_TICKS / ROWS / 2);
                }
                wheel
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("sweep_all_due/1M", |bencher| {
        bencher.iter_batched(
            million_rows,
            |mut wheel| {
                let mut due = 0u32;
                wheel.advance(AHEAD_TICKS, &mut |_| due += 1);
                assert_eq!(due, ROWS);
                wheel
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// 300 s of a million devices that speak 33,000 times per second, tick by tick: the time is that of one tick's sweep.
fn fleet(criterion: &mut Criterion) {
    const ACTIVITIES_PER_TICK: u32 = 3_300;
    const SILENCE_TICKS: u32 = 1_200;
    let mut group = criterion.benchmark_group("fleet");
    group.sample_size(10);
    group.bench_function("sweep_a_tick/1M_devices", |bencher| {
        let mut wheel = Wheel::new(Instant::now());
        for row in 0..ROWS {
            wheel.set(row, 1 + row % SILENCE_TICKS);
        }
        let (mut now, mut traffic) = (0, Traffic(1));
        bencher.iter_custom(|ticks| {
            let mut swept = Duration::ZERO;
            for _ in 0..ticks {
                for _ in 0..ACTIVITIES_PER_TICK {
                    wheel.set(traffic.next_row(), now + SILENCE_TICKS);
                }
                now += 1;
                let begun = Instant::now();
                wheel.sweep(now);
                swept += begun.elapsed();
                while let Some(row) = wheel.pop_due() {
                    wheel.set(row, now + SILENCE_TICKS);
                }
            }
            swept
        });
    });
    group.finish();
}

fn alarms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("alarms");
    let base = Instant::now();
    let mut alarms = Alarms::new(base);
    for n in 0..10_000u32 {
        alarms.arm(base + Duration::from_millis(u64::from(n)), Key { index: n, generation: 0 });
    }
    let at = base + Duration::from_secs(30);
    group.throughput(Throughput::Elements(1));
    group.bench_function("arm_disarm/among_10k", |bencher| {
        bencher.iter(|| {
            let alarm = alarms.arm(black_box(at), Key { index: 1, generation: 1 });
            alarms.disarm(alarm)
        });
    });
    group.finish();
}

fn slots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slots");
    let mut slots = Slots::new();
    let keys: Vec<Key> = (0..100_000u64).map(|n| slots.insert([n; 8])).collect();
    let mut place = 1;
    group.throughput(Throughput::Elements(1));
    group.bench_function("look_up/random_of_100k", |bencher| {
        bencher.iter(|| {
            place = (place * 31 + 7) % keys.len();
            slots.get_mut(keys[place]).map(|row| row[0])
        });
    });
    group.bench_function("insert_remove", |bencher| {
        bencher.iter(|| {
            let key = slots.insert(black_box([1; 8]));
            slots.remove(key)
        });
    });
    let mut queue = Queue::new();
    group.bench_function("queue_push_pop", |bencher| {
        bencher.iter(|| {
            queue.push(black_box(keys[99]));
            queue.pop()
        });
    });
    group.finish();
}

criterion_group!(parts, letters, letters_between_threads, wheel, fleet, alarms, slots);
criterion_main!(parts);
