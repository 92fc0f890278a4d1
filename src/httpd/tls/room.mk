mod_mercure_la_SOURCES += \
	%D%/handshake.c %D%/handshake.h \
	%D%/library.c %D%/library.h \
	%D%/socket_bio.c %D%/socket_bio.h \
	%D%/ssl.c %D%/ssl.h \
	%D%/takeover.c %D%/takeover.h

# The module is not a library, so the test compiles the unit itself.
unit_tests += tests/unit/httpd/tls/test_ssl
tests_unit_httpd_tls_test_ssl_LDFLAGS = $(LINK_FAILING_CALLS)
tests_unit_httpd_tls_test_ssl_SOURCES = tests/unit/httpd/tls/test_ssl.c %D%/socket_bio.c %D%/ssl.c
tests_unit_httpd_tls_test_ssl_LDADD = $(LIBSSL_LIBS) $(LDADD)

EXTRA_DIST += %D%/README.md
