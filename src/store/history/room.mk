libmrcstore_la_SOURCES += \
	%D%/backend.h \
	%D%/check.h \
	%D%/dir.c %D%/dir.h \
	%D%/files.c %D%/files.h \
	%D%/history.c %D%/history.h \
	%D%/memory.c \
	%D%/place.h \
	%D%/slice.c %D%/slice.h

LMDB_SOURCES = \
	%D%/bind.c %D%/bind.h \
	%D%/check.c \
	%D%/commit.c %D%/commit.h \
	%D%/env.c %D%/env.h \
	%D%/lmdb.c \
	%D%/table.c %D%/table.h
NO_LMDB_SOURCES = %D%/none.c
if HAVE_LMDB
libmrcstore_la_SOURCES += $(LMDB_SOURCES)
else
libmrcstore_la_SOURCES += $(NO_LMDB_SOURCES)
endif
EXTRA_libmrcstore_la_SOURCES = $(LMDB_SOURCES) $(NO_LMDB_SOURCES)

if HAVE_LMDB
unit_tests += tests/unit/store/history/test_history
endif
# Its leaders die where it wants.
tests_unit_store_history_test_history_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mdb_txn_commit \
	-Wl,--wrap=mrc_ring_append_as -Wl,--wrap=mrc_staging_finish

EXTRA_DIST += %D%/README.md
