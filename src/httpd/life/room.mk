mod_mercure_la_SOURCES += \
	%D%/lifecycle.c %D%/lifecycle.h \
	%D%/retained.c %D%/retained.h \
	%D%/upgrade.c %D%/upgrade.h

EXTRA_DIST += %D%/README.md
