/*
 * What ThreadSanitizer cannot see: httpd and APR are not compiled for it, and pass connections, and
 * the memory of those that are over, from thread to thread by means that it does not know.
 */
#ifndef MRC_HTTPD_BASE_TSAN_H
#define MRC_HTTPD_BASE_TSAN_H

/*
 * Registers hooks that tell it: whoever gets a connection or a request comes after all who had its
 * memory before. Nothing but in a build for ThreadSanitizer.
 */
void mrc_tsan_register(void);

#endif
