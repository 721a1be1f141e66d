#!/usr/bin/env python3
"""moto's S3 on loopback with a bucket `locks`, for the tests of the lock.

    python lock_store.py [deaf]

Says where it listens, and serves until it is killed. Requests are carried out one after the other: moto compares
and writes in two steps, and S3 does it in one. `deaf` drops all conditions, as stores do that do not know them.
What a test asks for, without a signature: `GET /_text/KEY`, `/_gone/KEY` deletes it, `/_age/SECONDS/KEY` makes it
that much older.
"""

import datetime
import sys
import threading

import boto3
from moto.core.utils import utcnow
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

DEAF = "deaf" in sys.argv[1:]
ONE_AT_A_TIME = threading.Lock()
MOTO = DomainDispatcherApplication(create_backend_app)


def by_hand(path):
    """What a test asks for: the object's text, or nothing where there is none."""
    _, what, *seconds, key = path.split("/")
    found = s3_backends["123456789012"]["aws"].get_object("locks", key)
    if found is None:
        return None
    text = found.value
    if what == "_age":
        found.last_modified = utcnow() - datetime.timedelta(seconds=int(seconds[0]))
    if what == "_gone":
        s3_backends["123456789012"]["aws"].delete_object("locks", key)
    return text


def application(environ, start_response):
    """One request."""
    with ONE_AT_A_TIME:
        if environ["PATH_INFO"].startswith("/_"):
            text = by_hand(environ["PATH_INFO"])
            status = "404 Not Found" if text is None else "200 OK"
            start_response(status, [("content-length", str(len(text or b"")))])
            return [text or b""]
        if DEAF:
            environ.pop("HTTP_IF_MATCH", None)
            environ.pop("HTTP_IF_NONE_MATCH", None)
        return list(MOTO(environ, start_response))


server = make_server("127.0.0.1", 0, application, threaded=True)
ADDRESS = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
boto3.client("s3", region_name="us-west-2", endpoint_url=ADDRESS, aws_access_key_id="AKIDMOTO",
             aws_secret_access_key="secret").create_bucket(
                 Bucket="locks", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
print(f"listening on {ADDRESS}", flush=True)
threading.Event().wait()
