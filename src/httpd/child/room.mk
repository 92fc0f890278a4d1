mod_mercure_la_SOURCES += \
	%D%/keys.c %D%/keys.h \
	%D%/links.c %D%/links.h \
	%D%/start.c %D%/start.h \
	%D%/this_child.c %D%/this_child.h

EXTRA_DIST += %D%/README.md
