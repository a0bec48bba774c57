"""What the roles of deployments/aws may do that no run in the sandbox does, each with the reason why it is granted."""

from tests.deployments.calls import Exempt

EXEMPT = {
    "FlowRole": [
        Exempt(
            "FindObjects",
            "Athena asks for the bucket's region under the caller's role; the sandbox's has no regions",
            action="s3:GetBucketLocation",
        ),
        Exempt(
            "FindObjects",
            "Athena sweeps up the uploads of queries that were cut off, under the caller's role",
            action="s3:ListBucketMultipartUploads",
        ),
        Exempt(
            "ReadAndWrite",
            "clients and Athena take back an upload in parts whose network broke off",
            action="s3:AbortMultipartUpload",
        ),
        Exempt(
            "ReadAndWrite",
            "Athena looks what has arrived of an upload in parts before it goes on",
            action="s3:ListMultipartUploadParts",
        ),
        Exempt(
            "ReadAndWrite",
            "written where a scored month drifts, and that starts a training; tests/tasks/test_monitor.py drives it",
            resource="/drift/*",
        ),
        Exempt(
            "TidyUp",
            "what a run left that died while it drew a batch; benchmarks/soak/kills.py drives it",
            resource="/batch/*",
        ),
        Exempt(
            "TidyUp",
            "a snapshot that was left half drawn; tests/tasks/lake/test_snapshot.py drives it",
            resource="/snapshots/*",
        ),
        Exempt(
            "Catalogue",
            "Athena may fetch partitions in batches under the caller's role; the sandbox's lists them",
            action="glue:BatchGetPartition",
        ),
        Exempt(
            "Catalogue",
            "Athena looks the database up under the caller's role; the sandbox's looks at the table alone",
            action="glue:GetDatabase",
        ),
        Exempt(
            "OnlineTables",
            "a new portfolio gets its table at its first ingest; tests/tasks/lake/test_online_table.py drives it",
            action="dynamodb:CreateTable",
        ),
        Exempt(
            "Jobs",
            "a cancelled score stops its job as a cancelled training does, but here it is over before it hears of it",
            action="sagemaker:StopTransformJob",
        ),
        Exempt("LendKey", "jobs' disks and new tables are under the stage's key; the sandbox has no disks and no key"),
        Exempt(
            "FindCluster",
            "the sandbox gives runs a kubeconfig, and EKS has to be asked for one (images/worker/eks.py)",
        ),
    ],
    "WorkerRole": [
        Exempt(
            "FollowRuns",
            "a cancelled run ends its own task; the worker ends that of a run that has not begun, or does not obey",
            action="ecs:StopTask",
        ),
        Exempt(
            "HearOfEnds",
            "the worker puts a message back that it could not handle",
            action="sqs:ChangeMessageVisibility",
        ),
    ],
    "ExecutionRole": [
        Exempt("LogInToEcr", "ECS pulls images; the sandbox has processes in their place"),
        Exempt("ReadAuthority", "the authority of the endpoints' HTTPS; the sandbox's endpoints speak HTTP"),
        Exempt("PullImage", "ECS pulls images; the sandbox has processes in their place"),
        Exempt("WriteLogs", "the sandbox runs the worker as a process of its own, not as a task", resource="worker"),
    ],
    "SageMakerRole": [
        Exempt("LendKey", "jobs' disks are under the stage's key; the sandbox has no disks"),
        Exempt("LogInToEcr", "SageMaker pulls images; the sandbox has processes in their place"),
        Exempt("PullImages", "SageMaker pulls images; the sandbox has processes in their place"),
        Exempt("WriteMetrics", "SageMaker measures its machines; the sandbox has none"),
        Exempt(
            "WriteLogs",
            "SageMaker looks for a job's stream before it writes; the sandbox has just made it",
            action="logs:DescribeLogStreams",
        ),
        Exempt(
            "WriteOutput",
            "SageMaker takes back an upload in parts that broke off",
            action="s3:AbortMultipartUpload",
        ),
        Exempt(
            "ReadInput",
            "spot trainings only (CREDIT_TRAIN_SPOT); tests/e2e/test_surviving.py drives them",
            resource="/checkpoints/*",
        ),
        Exempt(
            "WriteOutput",
            "spot trainings only (CREDIT_TRAIN_SPOT); tests/e2e/test_surviving.py drives them",
            resource="/checkpoints/*",
        ),
    ],
    "ServeRole": [],
}
