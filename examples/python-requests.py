"""Makes a video with Python's standard library. Usage: python3 examples/python-requests.py [prompt] [file]"""

import json
import os
import sys
import time
import urllib.request

URL = os.environ.get("SORA_URL", "http://127.0.0.1:3000")
KEY = os.environ["SORA_API_KEY"]
prompt, file = (sys.argv[1:] + ["A paper boat on a mountain lake", "video.mp4"][len(sys.argv) - 1 :])[:2]


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return urllib.request.urlopen(urllib.request.Request(URL + path, data, headers))


def job(path, body=None):
    with call(path, body) as response:
        return json.load(response)["data"]


video = job("/api/v1/videos", {"prompt": prompt, "duration": 2, "resolution": "320x180"})
while video["status"] in ("pending", "processing"):
    print(video["jobId"], video["status"], video["progress"], "%")
    time.sleep(1)
    video = job(f"/api/v1/videos/{video['jobId']}")
if video["status"] != "completed":
    sys.exit(f"{video['status']}: {video['error']}")

with call(video["result"]["videoUrl"]) as content, open(file, "wb") as out:
    out.write(content.read())
print("saved", file)
