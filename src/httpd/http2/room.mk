mod_mercure_la_SOURCES += %D%/choice.c %D%/choice.h

if HAVE_HTTP2
mod_mercure_la_SOURCES += \
	%D%/attach.c %D%/attach.h \
	%D%/child.h \
	%D%/connect.c %D%/connect.h \
	%D%/functions.c %D%/functions.h \
	%D%/http2.c %D%/http2.h \
	%D%/input.c %D%/input.h \
	%D%/limits.c %D%/limits.h \
	%D%/output.c %D%/output.h \
	%D%/priority.c %D%/priority.h \
	%D%/serve.c %D%/serve.h \
	%D%/session.c %D%/session.h \
	%D%/stream.c %D%/stream.h \
	%D%/transport.c %D%/transport.h

# The module is not a library, so the tests compile the units themselves.
unit_tests += tests/unit/httpd/http2/test_input tests/unit/httpd/http2/test_limits \
	tests/unit/httpd/http2/test_no_memory \
	tests/unit/httpd/http2/test_stream tests/unit/httpd/http2/test_transport
tests_unit_httpd_http2_test_stream_SOURCES = tests/unit/httpd/http2/test_stream.c %D%/stream.c \
	src/httpd/exchange/exchange.c src/httpd/exchange/fields.c src/httpd/exchange/queue.c
tests_unit_httpd_http2_test_stream_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_httpd_http2_test_no_memory_SOURCES = tests/unit/httpd/http2/test_no_memory.c \
	src/httpd/exchange/exchange.c src/httpd/exchange/fields.c src/httpd/exchange/queue.c \
	src/httpd/exchange/priority_field.c %D%/input.c %D%/limits.c %D%/output.c %D%/priority.c \
	%D%/session.c %D%/stream.c
tests_unit_httpd_http2_test_no_memory_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS) $(NGHTTP2_CFLAGS) \
	-I$(top_srcdir)/tests/fuzz
tests_unit_httpd_http2_test_no_memory_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_httpd_http2_test_no_memory_LDADD = $(LDADD) $(NGHTTP2_LIBS)
tests_unit_httpd_http2_test_input_SOURCES = tests/unit/httpd/http2/test_input.c \
	src/httpd/exchange/exchange.c src/httpd/exchange/fields.c src/httpd/exchange/queue.c \
	src/httpd/exchange/priority_field.c %D%/input.c %D%/limits.c %D%/output.c %D%/priority.c \
	%D%/session.c %D%/stream.c
tests_unit_httpd_http2_test_input_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS) $(NGHTTP2_CFLAGS) \
	-I$(top_srcdir)/tests/fuzz
tests_unit_httpd_http2_test_input_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_httpd_http2_test_input_LDADD = $(LDADD) $(NGHTTP2_LIBS)
tests_unit_httpd_http2_test_limits_SOURCES = tests/unit/httpd/http2/test_limits.c %D%/limits.c
tests_unit_httpd_http2_test_transport_SOURCES = tests/unit/httpd/http2/test_transport.c %D%/transport.c \
	src/httpd/tls/ssl.c
else
mod_mercure_la_SOURCES += %D%/none.c %D%/http2.h
endif

EXTRA_DIST += %D%/README.md
