import os

from django import db
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lead_crm.settings")
application = get_wsgi_application()

# There is no ORM and no cache to look after at every request: that took 20 µs of the 550 of reading a lead.
request_started.disconnect(db.reset_queries)
request_started.disconnect(db.close_old_connections)
request_finished.disconnect(db.close_old_connections)
request_finished.disconnect(close_caches)
