LMDB_FORMAT_SOURCES = %D%/pages.c %D%/pages.h
EXTRA_libmrcstore_la_SOURCES += $(LMDB_FORMAT_SOURCES)
if HAVE_LMDB
libmrcstore_la_SOURCES += $(LMDB_FORMAT_SOURCES)
endif

EXTRA_DIST += %D%/README.md
