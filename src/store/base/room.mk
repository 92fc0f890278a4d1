libmrcstore_la_SOURCES += \
	%D%/fetch.c %D%/fetch.h \
	%D%/file.c %D%/file.h \
	%D%/status.c %D%/status.h

EXTRA_DIST += %D%/README.md
