libmrcstore_la_SOURCES += \
	%D%/layout.h \
	%D%/segment.c %D%/segment.h \
	%D%/shape.c %D%/shape.h \
	%D%/site.c %D%/site.h

EXTRA_DIST += %D%/README.md
