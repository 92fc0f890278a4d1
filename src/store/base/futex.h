/*
 * Sleeping on a word of shared memory until another process changes it.
 *
 * Load the word, look at everything that it stands for, then wait with the value that was loaded: a
 * change in between makes the wait return at once. Any thread of any process.
 */
#ifndef MRC_STORE_BASE_FUTEX_H
#define MRC_STORE_BASE_FUTEX_H

#include <stdint.h>

/* Sleeps while WORD is SEEN, until mrc_futex_wake_all() or for WAIT_US. May also return early. */
void mrc_futex_wait(const _Atomic uint32_t *word, uint32_t seen, int64_t wait_us);

/* Wakes every thread that sleeps on WORD, which has been changed before. May be called in a signal
 * handler. */
void mrc_futex_wake_all(const _Atomic uint32_t *word);

#endif
