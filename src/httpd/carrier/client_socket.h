/*
 * The client's socket, below httpd's filters. Any thread; nothing here blocks.
 */
#ifndef MRC_HTTPD_CARRIER_CLIENT_SOCKET_H
#define MRC_HTTPD_CARRIER_CLIENT_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "httpd.h"

/*
 * Duplicates the descriptor of the socket of C. The caller closes the duplicate; until then the
 * socket stays open, even when httpd closes its own descriptor. Fails if the process has no
 * descriptor left, or if httpd has closed the socket already.
 */
apr_status_t mrc_client_socket_dup(conn_rec *c, int *ret_fd);

/* Sets up FD for a stream that ends when its client takes no byte for DISPATCH_TIMEOUT_US. */
void mrc_client_socket_set_options(int fd, int64_t dispatch_timeout_us);

/* The number of bytes that the kernel holds because the client has not accepted them. */
size_t mrc_client_socket_unsent_bytes(int fd);

/* The number of bytes that the kernel's buffer for the client has room for, less what the kernel
 * needs for itself; 0: none, or not known. */
size_t mrc_client_socket_room_bytes(int fd);

/*
 * Reads and drops what the client has sent, before FD is closed. If unread input is left, the
 * kernel resets the connection, and the client may lose the last bytes of its stream.
 */
void mrc_client_socket_drop_input(int fd);

#endif
