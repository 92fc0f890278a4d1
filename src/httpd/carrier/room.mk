mod_mercure_la_SOURCES += \
	%D%/choose.c %D%/choose.h \
	%D%/chunk.c %D%/chunk.h \
	%D%/client_socket.c %D%/client_socket.h \
	%D%/detached.c %D%/detached.h \
	%D%/event_bucket.c %D%/event_bucket.h \
	%D%/filters.c %D%/filters.h \
	%D%/mod_http2.c %D%/mod_http2.h \
	%D%/nonblocking.c %D%/nonblocking.h \
	%D%/poll.c %D%/poll.h \
	%D%/stream_head.c %D%/stream_head.h \
	%D%/suspended.c %D%/suspended.h \
	%D%/threaded.c %D%/threaded.h \
	%D%/transport.c %D%/transport.h \
	%D%/trim.c %D%/trim.h

# The module is not a library, so the tests compile the units themselves.
unit_tests += tests/unit/httpd/carrier/test_chunk tests/unit/httpd/carrier/test_transport
tests_unit_httpd_carrier_test_chunk_SOURCES = tests/unit/httpd/carrier/test_chunk.c %D%/chunk.c
tests_unit_httpd_carrier_test_transport_SOURCES = tests/unit/httpd/carrier/test_transport.c \
	%D%/transport.c src/httpd/tls/socket_bio.c src/httpd/tls/ssl.c
tests_unit_httpd_carrier_test_transport_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
tests_unit_httpd_carrier_test_transport_LDADD = $(LIBSSL_LIBS) $(LDADD)

EXTRA_DIST += %D%/README.md
