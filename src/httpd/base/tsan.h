/*
 * Annotations for ThreadSanitizer. httpd and APR are not compiled for it: it does not see how they
 * pass connections, and the memory of closed connections, from thread to thread.
 */
#ifndef MRC_HTTPD_BASE_TSAN_H
#define MRC_HTTPD_BASE_TSAN_H

/*
 * Registers hooks which declare that the thread that gets a connection or a request runs after
 * every thread that used its memory before. Does nothing in a build without ThreadSanitizer.
 */
void mrc_tsan_register(void);

#endif
