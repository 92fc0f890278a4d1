libmrchub_la_SOURCES += \
	%D%/listed.c %D%/listed.h \
	%D%/machines.c %D%/machines.h \
	%D%/query.h %D%/report.h \
	%D%/respond.h \
	%D%/transport.h

LINK_SOURCES = \
	%D%/beat.c %D%/beat.h \
	%D%/connection.c \
	%D%/entries.c \
	%D%/link.c %D%/link.h %D%/link_internal.h \
	%D%/member.c %D%/member.h \
	%D%/outbox.c %D%/outbox.h \
	%D%/query.c \
	%D%/relay.c %D%/relay.h \
	%D%/respond.c \
	%D%/restore.c %D%/restore.h \
	%D%/traffic.c \
	%D%/transport.c \
	%D%/verdict.c
NO_LINK_SOURCES = %D%/none.c
if HAVE_HIREDIS
libmrchub_la_SOURCES += $(LINK_SOURCES)
unit_tests += \
	tests/unit/hub/transport/test_apart \
	tests/unit/hub/transport/test_enter \
	tests/unit/hub/transport/test_join \
	tests/unit/hub/transport/test_member \
	tests/unit/hub/transport/test_no_memory \
	tests/unit/hub/transport/test_outbox \
	tests/unit/hub/transport/test_relay \
	tests/unit/hub/transport/test_slow
else
libmrchub_la_SOURCES += $(NO_LINK_SOURCES)
endif
EXTRA_libmrchub_la_SOURCES += $(LINK_SOURCES) $(NO_LINK_SOURCES)

unit_tests += \
	tests/unit/hub/transport/test_listed \
	tests/unit/hub/transport/test_machines
tests_unit_hub_transport_test_apart_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mrc_ring_append_control \
	-Wl,--wrap=epoll_wait
tests_unit_hub_transport_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=mrc_thread_join

EXTRA_DIST += %D%/README.md tests/unit/hub/transport/dying.h tests/unit/hub/transport/proxy.h
