#include "store/base/fork.h"

#include <pthread.h>

/*
 * The C library calls the handlers at each fork() of the process, so the lock belongs to the
 * process too. The C library removes the handlers when httpd unloads the module.
 */
static pthread_mutex_t fork_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void lock(void)
{
    pthread_mutex_lock(&fork_lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&fork_lock);
}

static void set_handlers(void)
{
    pthread_atfork(lock, unlock, unlock);
}

void mrc_fork_hold(void)
{
    pthread_once(&fork_once, set_handlers);
    lock();
}

void mrc_fork_release(void)
{
    unlock();
}
