libmrcstore_la_SOURCES += %D%/files.c %D%/files.h

LMDB_FILE_SOURCES = \
	%D%/dbs.c %D%/dbs.h \
	%D%/env.c %D%/env.h \
	%D%/pages.c %D%/pages.h \
	%D%/revoked.c %D%/revoked.h \
	%D%/table.c %D%/table.h
EXTRA_libmrcstore_la_SOURCES += $(LMDB_FILE_SOURCES)
if HAVE_LMDB
libmrcstore_la_SOURCES += $(LMDB_FILE_SOURCES)
unit_tests += tests/unit/store/lmdb/test_env
endif

EXTRA_DIST += %D%/README.md
