# The load generator of the benchmarks has a unit test of its own.
LOAD_SOURCES = \
	%D%/load/answer.c %D%/load/answer.h \
	%D%/load/base.c %D%/load/base.h \
	%D%/load/histogram.c %D%/load/histogram.h \
	%D%/load/ledger.c %D%/load/ledger.h \
	%D%/load/lines.c %D%/load/lines.h
unit_tests += tests/unit/bench/test_load
tests_unit_bench_test_load_SOURCES = tests/unit/bench/test_load.c $(LOAD_SOURCES)

# Built by name: `make tests/bench/bench_ring`.
EXTRA_PROGRAMS = \
	%D%/bench_history \
	%D%/bench_index \
	%D%/bench_match \
	%D%/bench_notify \
	%D%/bench_ring \
	%D%/bench_token \
	%D%/load/load \
	%D%/load_http2 \
	%D%/load_post \
	%D%/raw
%C%_bench_notify_LDADD =
%C%_load_load_LDADD = -lssl $(OPENSSL_LIBS)
%C%_load_load_SOURCES = \
	$(LOAD_SOURCES) \
	%D%/load/crowd.c %D%/load/crowd.h \
	%D%/load/load.c \
	%D%/load/options.c %D%/load/options.h \
	%D%/load/publishers.c %D%/load/publishers.h \
	%D%/load/request.c %D%/load/request.h \
	%D%/load/usage.c %D%/load/usage.h \
	%D%/load/wire.c %D%/load/wire.h
%C%_load_http2_LDADD = -lssl $(OPENSSL_LIBS) $(NGHTTP2_LIBS)
%C%_load_post_LDADD =
%C%_raw_LDADD =
