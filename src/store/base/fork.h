/*
 * Keeps this process from forking while a library holds a descriptor that programs would inherit.
 *
 * A library that opens a file without O_CLOEXEC leaves a moment in which another thread may fork
 * and start a program, which then has the descriptor. fork() waits between mrc_fork_hold() and
 * mrc_fork_release(); vfork() and posix_spawn() do not.
 *
 * Any thread; not recursive.
 */
#ifndef MRC_STORE_BASE_FORK_H
#define MRC_STORE_BASE_FORK_H

/* fork() waits between these two calls. */
void mrc_fork_hold(void);
void mrc_fork_release(void);

#endif
