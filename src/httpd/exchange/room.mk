if HAVE_HTTP2
mod_mercure_la_SOURCES += \
	%D%/exchange.c %D%/exchange.h \
	%D%/fields.c %D%/fields.h \
	%D%/head_text.c %D%/head_text.h \
	%D%/kept.c %D%/kept.h \
	%D%/network.c %D%/network.h \
	%D%/priority_field.c %D%/priority_field.h \
	%D%/queue.c %D%/queue.h \
	%D%/response.c %D%/response.h \
	%D%/scoreboard.c %D%/scoreboard.h \
	%D%/secondary.c %D%/secondary.h \
	%D%/workers.c %D%/workers.h

# The module is not a library, so the tests compile the units themselves.
unit_tests += tests/unit/httpd/exchange/test_fields tests/unit/httpd/exchange/test_queue \
	tests/unit/httpd/exchange/test_priority_field tests/unit/httpd/exchange/test_workers \
	tests/unit/httpd/exchange/test_exchange tests/unit/httpd/exchange/test_scoreboard \
	tests/unit/httpd/exchange/test_head_text tests/unit/httpd/exchange/test_loads
tests_unit_httpd_exchange_test_exchange_SOURCES = \
	tests/unit/httpd/exchange/test_exchange.c %D%/exchange.c %D%/fields.c %D%/queue.c
tests_unit_httpd_exchange_test_exchange_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_httpd_exchange_test_fields_SOURCES = tests/unit/httpd/exchange/test_fields.c %D%/fields.c
tests_unit_httpd_exchange_test_head_text_SOURCES = \
	tests/unit/httpd/exchange/test_head_text.c %D%/head_text.c
tests_unit_httpd_exchange_test_head_text_LDFLAGS = $(LINK_FAILING_ALLOC)
tests_unit_httpd_exchange_test_loads_SOURCES = \
	tests/unit/httpd/exchange/test_loads.c %D%/exchange.c %D%/fields.c %D%/queue.c
tests_unit_httpd_exchange_test_loads_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=preadv2 -Wl,--wrap=preadv64v2 \
	-Wl,--wrap=pread -Wl,--wrap=pread64
tests_unit_httpd_exchange_test_priority_field_SOURCES = \
	tests/unit/httpd/exchange/test_priority_field.c %D%/priority_field.c
tests_unit_httpd_exchange_test_queue_SOURCES = tests/unit/httpd/exchange/test_queue.c %D%/queue.c
tests_unit_httpd_exchange_test_scoreboard_SOURCES = \
	tests/unit/httpd/exchange/test_scoreboard.c %D%/scoreboard.c
tests_unit_httpd_exchange_test_scoreboard_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
tests_unit_httpd_exchange_test_workers_SOURCES = tests/unit/httpd/exchange/test_workers.c %D%/workers.c \
	src/httpd/base/pool.c
tests_unit_httpd_exchange_test_workers_CPPFLAGS = $(AM_CPPFLAGS) $(HTTPD_CPPFLAGS)
tests_unit_httpd_exchange_test_workers_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=pthread_cond_timedwait \
	-Wl,--wrap=apr_allocator_create
endif

EXTRA_DIST += %D%/README.md
