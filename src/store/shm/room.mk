libmrcstore_la_SOURCES += \
	%D%/control.c %D%/control.h \
	%D%/control_layout.h \
	%D%/inquiry.c %D%/inquiry.h \
	%D%/inquiry_layout.h \
	%D%/notify.c %D%/notify.h \
	%D%/runtime_dir.c %D%/runtime_dir.h \
	%D%/segment.c %D%/segment.h

unit_tests += \
	tests/unit/store/shm/test_control \
	tests/unit/store/shm/test_inquiry \
	tests/unit/store/shm/test_notify \
	tests/unit/store/shm/test_segment

EXTRA_DIST += %D%/README.md
