# Downloads an object with boto3 and then extracts it, as workers in Python do:
# fetch.py ENDPOINT BUCKET KEY FORMAT. The credentials are in the environment.
import subprocess
import sys
import tarfile
import zipfile

import boto3

endpoint, bucket, key, form = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
s3.download_file(bucket, key, "target")

# Pythons before 3.12 have filters only in their last releases.
safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
if form == "zip":
    with zipfile.ZipFile("target") as archive:
        archive.extractall("workspace")
elif form == "tar.zst":
    with subprocess.Popen(["zstd", "-q", "-dc", "target"], stdout=subprocess.PIPE) as zstd:
        with tarfile.open(fileobj=zstd.stdout, mode="r|") as archive:
            archive.extractall("workspace", **safely)
    if zstd.returncode != 0:
        sys.exit("zstd failed")
elif form != "img":
    with tarfile.open("target") as archive:
        archive.extractall("workspace", **safely)
