#!/bin/sh
# The compiler, with the planted bugs switched on; see planted.sh.
exec "$@" --cfg planted
