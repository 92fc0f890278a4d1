libmrcstore_la_SOURCES += \
	%D%/adopt.c %D%/adopt.h \
	%D%/backend.h \
	%D%/check.h \
	%D%/dir.c %D%/dir.h \
	%D%/engine.c \
	%D%/history.c %D%/history.h \
	%D%/memory.c \
	%D%/place.h \
	%D%/slice.c %D%/slice.h

LMDB_SOURCES = \
	%D%/begun.c %D%/begun.h \
	%D%/bind.c %D%/bind.h \
	%D%/check.c \
	%D%/commit.c %D%/commit.h \
	%D%/lmdb.c
NO_LMDB_SOURCES = %D%/none.c
if HAVE_LMDB
libmrcstore_la_SOURCES += $(LMDB_SOURCES)
else
libmrcstore_la_SOURCES += $(NO_LMDB_SOURCES)
endif
EXTRA_libmrcstore_la_SOURCES += $(LMDB_SOURCES) $(NO_LMDB_SOURCES)

unit_tests += tests/unit/store/history/test_engine tests/unit/store/history/test_memory
if HAVE_LMDB
unit_tests += \
	tests/unit/store/history/test_adopt \
	tests/unit/store/history/test_begun \
	tests/unit/store/history/test_bind \
	tests/unit/store/history/test_check \
	tests/unit/store/history/test_commit \
	tests/unit/store/history/test_dir \
	tests/unit/store/history/test_lmdb \
	tests/unit/store/history/test_no_memory
endif
# The test's leaders die at these calls.
tests_unit_store_history_test_commit_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mdb_txn_commit \
	-Wl,--wrap=mrc_ring_append_as -Wl,--wrap=mrc_staging_finish
tests_unit_store_history_test_no_memory_LDFLAGS = $(LINK_FAILING_CALLS) -Wl,--wrap=apr_palloc

EXTRA_DIST += %D%/README.md tests/unit/store/history/history_unit.h
