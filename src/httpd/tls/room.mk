mod_mercure_la_SOURCES += \
	%D%/library.c %D%/library.h \
	%D%/ssl.c %D%/ssl.h \
	%D%/takeover.c %D%/takeover.h

EXTRA_DIST += %D%/README.md
