//! `ec2`, `ecs`, `eks`, `elasticbeanstalk` and `lambda`: the platforms of AWS.

use serde::Deserialize;

use super::{Detector, Found, Probe, unless_absent};
use crate::otlp::KeyValue;
use crate::processors::pattern;
use crate::processors::resourcedetection::http::Failure;

pub static EC2: Detector = Detector {
    name: "ec2",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("cloud.account.id", true),
        ("cloud.region", true),
        ("cloud.availability_zone", true),
        ("host.id", true),
        ("host.image.id", true),
        ("host.type", true),
        ("host.name", true),
    ],
    is_quick: |_| false,
    detect: detect_ec2,
};

pub static ECS: Detector = Detector {
    name: "ecs",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("cloud.account.id", true),
        ("cloud.region", true),
        ("cloud.availability_zone", true),
        ("aws.ecs.cluster.arn", true),
        ("aws.ecs.task.arn", true),
        ("aws.ecs.task.family", true),
        ("aws.ecs.task.id", true),
        ("aws.ecs.task.revision", true),
        ("aws.ecs.launchtype", true),
        ("aws.log.group.names", true),
        ("aws.log.group.arns", true),
        ("aws.log.stream.names", true),
        ("aws.log.stream.arns", true),
    ],
    is_quick: |_| false,
    detect: detect_ecs,
};

pub static EKS: Detector = Detector {
    name: "eks",
    attributes: &[("cloud.provider", true), ("cloud.platform", true), ("k8s.cluster.name", false)],
    is_quick: |_| false,
    detect: detect_eks,
};

pub static ELASTIC_BEANSTALK: Detector = Detector {
    name: "elasticbeanstalk",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("deployment.environment", true),
        ("service.instance.id", true),
        ("service.version", true),
    ],
    is_quick: |_| true,
    detect: detect_elastic_beanstalk,
};

pub static LAMBDA: Detector = Detector {
    name: "lambda",
    attributes: &[
        ("cloud.provider", true),
        ("cloud.platform", true),
        ("cloud.region", true),
        ("aws.log.group.names", true),
        ("aws.log.stream.names", true),
        ("faas.name", true),
        ("faas.version", true),
        ("faas.instance", true),
        ("faas.max_memory", true),
    ],
    is_quick: |_| true,
    detect: detect_lambda,
};

/// A session with the instance metadata service (IMDSv2).
struct InstanceMetadata<'a> {
    probe: &'a Probe<'a>,
    token: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    account_id: String,
    availability_zone: String,
    image_id: String,
    instance_id: String,
    instance_type: String,
    region: String,
}

impl<'a> InstanceMetadata<'a> {
    fn open(probe: &'a Probe<'a>) -> Result<Self, Failure> {
        let url = format!("{}/latest/api/token", probe.environment.aws);
        let token = probe.http.put(&url, &[("X-aws-ec2-metadata-token-ttl-seconds", "60")])?;
        Ok(Self { probe, token })
    }

    fn get(&self, path: &str) -> Result<String, Failure> {
        let url = format!("{}/latest/{path}", self.probe.environment.aws);
        self.probe.http.get(&url, &[("X-aws-ec2-metadata-token", self.token.trim())])
    }

    fn identity(&self) -> Result<Identity, String> {
        let document =
            self.get("dynamic/instance-identity/document").map_err(|failure| failure.to_string())?;
        serde_json::from_str(&document).map_err(|error| format!("instance identity document: {error}"))
    }

    /// Names of the instance's tags, where the instance allows to read them.
    fn tags(&self) -> Vec<String> {
        self.get("meta-data/tags/instance")
            .map(|names| names.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }
}

fn detect_ec2(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let metadata = match InstanceMetadata::open(probe) {
        Err(failure) if probe.config.ec2.fail_on_missing_metadata => return Err(failure.to_string()),
        answer => unless_absent(answer)?,
    };
    let Some(metadata) = metadata else { return Ok(Vec::new()) };
    let identity = metadata.identity()?;
    let mut found = Found::default();
    found.text("cloud.provider", "aws");
    found.text("cloud.platform", "aws_ec2");
    found.text("cloud.region", identity.region);
    found.text("cloud.account.id", identity.account_id);
    found.text("cloud.availability_zone", identity.availability_zone);
    found.text("host.id", identity.instance_id);
    found.text("host.image.id", identity.image_id);
    found.text("host.type", identity.instance_type);
    found
        .text("host.name", metadata.get("meta-data/hostname").map_err(|failure| failure.to_string())?.trim());
    let wanted = pattern::compile_all(&probe.config.ec2.tags).map_err(|(_, error)| error)?;
    if !wanted.is_empty() {
        for tag in metadata.tags().iter().filter(|tag| wanted.iter().any(|wanted| wanted.is_match(tag))) {
            let value = metadata.get(&format!("meta-data/tags/instance/{tag}")).map_err(|f| f.to_string())?;
            found.0.push(KeyValue::new(format!("ec2.tag.{tag}"), value));
        }
    }
    Ok(found.0)
}

fn detect_eks(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    if !probe.is_in_kubernetes() {
        return Ok(Vec::new());
    }
    let Some(metadata) = unless_absent(InstanceMetadata::open(probe))? else { return Ok(Vec::new()) };
    let mut found = Found::default();
    found.text("cloud.provider", "aws");
    found.text("cloud.platform", "aws_eks");
    if probe.wants("k8s.cluster.name") {
        let tags = metadata.tags();
        found.text(
            "k8s.cluster.name",
            tags.iter().find_map(|tag| tag.strip_prefix("kubernetes.io/cluster/")).unwrap_or_default(),
        );
    }
    Ok(found.0)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Task {
    availability_zone: String,
    cluster: String,
    family: String,
    launch_type: String,
    revision: String,
    #[serde(rename = "TaskARN")]
    task_arn: String,
    containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    #[serde(rename = "ContainerARN")]
    container_arn: String,
    log_driver: String,
    log_options: LogOptions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LogOptions {
    #[serde(rename = "awslogs-group")]
    group: String,
    #[serde(rename = "awslogs-region")]
    region: String,
    #[serde(rename = "awslogs-stream")]
    stream: String,
}

fn detect_ecs(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let uri = probe
        .variable("ECS_CONTAINER_METADATA_URI_V4")
        .or_else(|| probe.variable("ECS_CONTAINER_METADATA_URI"));
    let Some(uri) = uri else { return Ok(Vec::new()) };
    let task: Task = probe.http.json(&format!("{uri}/task"), &[]).map_err(|failure| failure.to_string())?;
    let own: Container = probe.http.json(&uri, &[]).map_err(|failure| failure.to_string())?;
    // arn:aws:ecs:<region>:<account>:task/<cluster>/<id>
    let parts: Vec<&str> = task.task_arn.splitn(6, ':').collect();
    let (region, account) =
        (parts.get(3).copied().unwrap_or_default(), parts.get(4).copied().unwrap_or_default());
    let mut found = Found::default();
    found.text("cloud.provider", "aws");
    found.text("cloud.platform", "aws_ecs");
    found.text("cloud.region", region);
    found.text("cloud.account.id", account);
    found.text("cloud.availability_zone", task.availability_zone);
    found.text(
        "aws.ecs.cluster.arn",
        match task.cluster.starts_with("arn:") {
            true => task.cluster,
            false => format!("arn:aws:ecs:{region}:{account}:cluster/{}", task.cluster),
        },
    );
    found.text("aws.ecs.task.id", task.task_arn.rsplit('/').next().unwrap_or_default());
    found.text("aws.ecs.task.arn", &task.task_arn);
    found.text("aws.ecs.task.family", task.family);
    found.text("aws.ecs.task.revision", task.revision);
    found.text("aws.ecs.launchtype", task.launch_type.to_ascii_lowercase());
    // The agent's own logs are not those of the task's applications.
    let logged: Vec<&LogOptions> = task
        .containers
        .iter()
        .filter(|container| container.log_driver == "awslogs" && container.container_arn != own.container_arn)
        .map(|container| &container.log_options)
        .collect();
    let arn = |options: &LogOptions| {
        format!("arn:aws:logs:{}:{account}:log-group:{}", options.region, options.group)
    };
    found.texts("aws.log.group.names", logged.iter().map(|options| options.group.clone()));
    found.texts("aws.log.group.arns", logged.iter().map(|options| format!("{}:*", arn(options))));
    found.texts("aws.log.stream.names", logged.iter().map(|options| options.stream.clone()));
    found.texts(
        "aws.log.stream.arns",
        logged.iter().map(|options| format!("{}:log-stream:{}", arn(options), options.stream)),
    );
    Ok(found.0)
}

#[derive(Deserialize)]
struct Deployment {
    deployment_id: serde_json::Value,
    #[serde(default)]
    environment_name: String,
    #[serde(default)]
    version_label: String,
}

fn detect_elastic_beanstalk(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    const FILE: &str = "/var/elasticbeanstalk/xray/environment.conf";
    let Some(text) = probe.file(FILE) else { return Ok(Vec::new()) };
    let deployment: Deployment = serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let mut found = Found::default();
    found.text("cloud.provider", "aws");
    found.text("cloud.platform", "aws_elastic_beanstalk");
    found.text("service.instance.id", deployment.deployment_id.to_string().trim_matches('"'));
    found.text("deployment.environment", deployment.environment_name);
    found.text("service.version", deployment.version_label);
    Ok(found.0)
}

fn detect_lambda(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let Some(name) = probe.variable("AWS_LAMBDA_FUNCTION_NAME") else { return Ok(Vec::new()) };
    let variable = |name: &str| probe.variable(name);
    let mut found = Found::default();
    found.text("cloud.provider", "aws");
    found.text("cloud.platform", "aws_lambda");
    found.text("cloud.region", variable("AWS_REGION").unwrap_or_default());
    found.text("faas.name", name);
    found.text("faas.version", variable("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_default());
    found.text("faas.instance", variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default());
    found.text("faas.max_memory", variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").unwrap_or_default());
    found.texts("aws.log.group.names", variable("AWS_LAMBDA_LOG_GROUP_NAME"));
    found.texts("aws.log.stream.names", variable("AWS_LAMBDA_LOG_STREAM_NAME"));
    Ok(found.0)
}
