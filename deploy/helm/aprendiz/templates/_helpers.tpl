{{- define "aprendiz.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{- .Release.Name | trunc 40 | trimSuffix "-" -}}{{- else -}}{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods: they never change. Argument: root, component. */}}
{{- define "aprendiz.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "aprendiz.labels" -}}
{{ include "aprendiz.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Argument: root, repository, tag. A tag that begins with sha256: is a digest. */}}
{{- define "aprendiz.image" -}}
{{- $tag := default .root.Chart.AppVersion (default .root.Values.image.tag .tag) -}}
{{- if hasPrefix "sha256:" $tag -}}{{ printf "%s@%s" .repository $tag }}{{- else -}}{{ printf "%s:%s" .repository $tag }}{{- end -}}
{{- end -}}

{{- define "aprendiz.serverAccount" -}}
{{- $given := .Values.serviceAccount.server.name -}}
{{- if .Values.serviceAccount.create -}}{{ default (printf "%s-server" (include "aprendiz.fullname" .)) $given }}{{- else -}}{{ default "default" $given }}{{- end -}}
{{- end -}}

{{- define "aprendiz.workerAccount" -}}
{{- $given := .Values.serviceAccount.worker.name -}}
{{- if .Values.serviceAccount.create -}}{{ default (printf "%s-worker" (include "aprendiz.fullname" .)) $given }}{{- else -}}{{ default "default" $given }}{{- end -}}
{{- end -}}

{{- define "aprendiz.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "aprendiz.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Variables of the services. Secrets are files, except those that only the AWS SDK reads. */}}
{{- define "aprendiz.env" -}}
- name: DATABASE_URL_FILE
  value: /etc/aprendiz/secrets/database-url
{{- if .Values.secrets.databaseDirectUrl.name }}
- name: APRENDIZ_DATABASE_DIRECT_URL_FILE
  value: /etc/aprendiz/secrets/database-direct-url
{{- end }}
- name: REDIS_URL_FILE
  value: /etc/aprendiz/secrets/redis-url
{{- if .Values.secrets.redisClientCert.name }}
- name: REDIS_CLIENT_CERT_FILE
  value: /etc/aprendiz/secrets/redis-client-cert
- name: REDIS_CLIENT_KEY_FILE
  value: /etc/aprendiz/secrets/redis-client-key
{{- end }}
- name: APRENDIZ_QUEUE_PREFIX
  value: {{ .Values.queuePrefix | quote }}
- name: APRENDIZ_BUCKET
  value: {{ required "objectStore.bucket is required" .Values.objectStore.bucket | quote }}
{{- with .Values.objectStore.prefix }}
- name: APRENDIZ_BUCKET_PREFIX
  value: {{ . | quote }}
{{- end }}
{{- with .Values.objectStore.addressing }}
- name: APRENDIZ_BUCKET_ADDRESSING
  value: {{ . | quote }}
{{- end }}
- name: AWS_REGION
  value: {{ required "objectStore.region is required" .Values.objectStore.region | quote }}
{{- with .Values.objectStore.endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ . | quote }}
{{- end }}
{{- if .Values.objectStore.checksumsWhenRequired }}
- name: AWS_REQUEST_CHECKSUM_CALCULATION
  value: when_required
- name: AWS_RESPONSE_CHECKSUM_VALIDATION
  value: when_required
{{- end }}
{{- if .Values.objectStore.caBundle.configMap }}
- name: AWS_CA_BUNDLE
  value: /etc/aprendiz/ca/{{ .Values.objectStore.caBundle.key }}
{{- end }}
{{- if .Values.secrets.awsAccessKeyId.name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: { name: {{ .Values.secrets.awsAccessKeyId.name | quote }}, key: {{ .Values.secrets.awsAccessKeyId.key | quote }} }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: { name: {{ .Values.secrets.awsSecretAccessKey.name | quote }}, key: {{ .Values.secrets.awsSecretAccessKey.key | quote }} }
{{- end }}
{{- end -}}

{{/* One projected volume of all secret files. Argument: root, worker (whether it needs those of workers). */}}
{{- define "aprendiz.secretVolume" -}}
{{- $secrets := .root.Values.secrets -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ required "secrets.databaseUrl.name is required" $secrets.databaseUrl.name | quote }}
          items: [{ key: {{ $secrets.databaseUrl.key | quote }}, path: database-url }]
      {{- with $secrets.databaseDirectUrl }}{{ if .name }}
      - secret:
          name: {{ .name | quote }}
          items: [{ key: {{ .key | quote }}, path: database-direct-url }]
      {{- end }}{{ end }}
      - secret:
          name: {{ required "secrets.redisUrl.name is required" $secrets.redisUrl.name | quote }}
          items: [{ key: {{ $secrets.redisUrl.key | quote }}, path: redis-url }]
      {{- if $secrets.redisClientCert.name }}
      - secret:
          name: {{ $secrets.redisClientCert.name | quote }}
          items: [{ key: {{ $secrets.redisClientCert.key | quote }}, path: redis-client-cert }]
      - secret:
          name: {{ required "secrets.redisClientKey.name is required with redisClientCert" $secrets.redisClientKey.name | quote }}
          items: [{ key: {{ $secrets.redisClientKey.key | quote }}, path: redis-client-key }]
      {{- end }}
      {{- if and .worker $secrets.hfToken.name }}
      - secret:
          name: {{ $secrets.hfToken.name | quote }}
          items: [{ key: {{ $secrets.hfToken.key | quote }}, path: hf-token }]
      {{- end }}
{{- if .root.Values.objectStore.caBundle.configMap }}
- name: ca
  configMap:
    name: {{ .root.Values.objectStore.caBundle.configMap | quote }}
{{- end }}
{{- end -}}

{{- define "aprendiz.secretMounts" -}}
- name: secrets
  mountPath: /etc/aprendiz/secrets
  readOnly: true
{{- if .Values.objectStore.caBundle.configMap }}
- name: ca
  mountPath: /etc/aprendiz/ca
  readOnly: true
{{- end }}
{{- end -}}

{{/* Argument: spread (a topologySpread value), selector (rendered labels). */}}
{{- define "aprendiz.topologySpread" -}}
{{- if .spread.enabled }}
topologySpreadConstraints:
  - maxSkew: {{ .spread.zoneMaxSkew }}
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ .spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- .selector | nindent 8 }}
  - maxSkew: {{ .spread.hostMaxSkew }}
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: {{ .spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- .selector | nindent 8 }}
{{- end }}
{{- end -}}

{{/* Where a pod may run. Argument: the values of server or of a pool. */}}
{{- define "aprendiz.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* The rule of a destination. Argument: ports, to. */}}
{{- define "aprendiz.egress" -}}
- ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "aprendiz.egressDns" -}}
- ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
  {{- with .Values.networkPolicy.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* The pod of a worker pool. Argument: root, name, pool (merged values), job (whether it ends when idle). */}}
{{- define "aprendiz.workerPod" -}}
{{- $pool := .pool -}}
{{- if lt (int $pool.terminationGracePeriodSeconds) (add (int $pool.graceSeconds) 10 | int) -}}
{{- fail (printf "workerPools.%s: terminationGracePeriodSeconds (%d) must be at least graceSeconds + 10 (%d), or Kubernetes kills workers while they save checkpoints" .name (int $pool.terminationGracePeriodSeconds) (add (int $pool.graceSeconds) 10)) -}}
{{- end -}}
metadata:
  labels:
    {{- include "aprendiz.labels" (dict "root" .root "component" "worker") | nindent 4 }}
    aprendiz/pool: {{ .name }}
  {{- with $pool.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if .job }}
  restartPolicy: Never
  {{- end }}
  serviceAccountName: {{ include "aprendiz.workerAccount" .root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ $pool.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "aprendiz.podSecurity" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- with include "aprendiz.placement" $pool | trim }}{{ . | nindent 2 }}{{- end }}
  {{- with include "aprendiz.topologySpread" (dict "spread" $pool.topologySpread "selector" (printf "%s\naprendiz/pool: %s" (include "aprendiz.selector" (dict "root" .root "component" "worker")) .name)) | trim }}{{ . | nindent 2 }}{{- end }}
  containers:
    - name: worker
      image: {{ include "aprendiz.image" (dict "root" .root "repository" (default (required "image.worker is required" .root.Values.image.worker) $pool.image.repository) "tag" $pool.image.tag) | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      {{- if .job }}
      command: [/usr/local/bin/aprendiz-run-until-idle]
      {{- end }}
      securityContext:
        {{- include "aprendiz.containerSecurity" . | nindent 8 }}
      ports:
        - { name: metrics, containerPort: 9090 }
      env:
        {{- include "aprendiz.env" .root | nindent 8 }}
        - { name: APRENDIZ_PROBE_LISTEN, value: "0.0.0.0:9090" }
        - { name: APRENDIZ_DATABASE_CONNECTIONS, value: {{ $pool.databaseConnections | quote }} }
        - { name: APRENDIZ_SLOTS, value: {{ $pool.slots | quote }} }
        {{- with $pool.labels }}
        - { name: APRENDIZ_LABELS, value: {{ join "," . | quote }} }
        {{- end }}
        - { name: APRENDIZ_THREADS, value: {{ $pool.threads | quote }} }
        - { name: APRENDIZ_LEASE_SECONDS, value: {{ $pool.leaseSeconds | quote }} }
        - { name: APRENDIZ_POLL_SECONDS, value: {{ $pool.pollSeconds | quote }} }
        - { name: APRENDIZ_CHECKPOINT_SECONDS, value: {{ $pool.checkpointSeconds | quote }} }
        - { name: APRENDIZ_GRACE_SECONDS, value: {{ $pool.graceSeconds | quote }} }
        - { name: APRENDIZ_SCRATCH, value: /var/lib/aprendiz/scratch }
        - { name: TMPDIR, value: /var/lib/aprendiz/scratch }
        {{- if .job }}
        - { name: APRENDIZ_IDLE_EXIT_SECONDS, value: {{ $pool.job.idleExitSeconds | quote }} }
        {{- end }}
        {{- if $pool.baseModels.claim }}
        - { name: APRENDIZ_BASE_MODELS, value: /models }
        {{- end }}
        {{- with $pool.hub }}
        - { name: APRENDIZ_HUB, value: {{ . | quote }} }
        {{- end }}
        {{- if .root.Values.secrets.hfToken.name }}
        - { name: HF_TOKEN_FILE, value: /etc/aprendiz/secrets/hf-token }
        {{- end }}
        {{- range $name, $value := $pool.env }}
        - { name: {{ $name }}, value: {{ $value | quote }} }
        {{- end }}
      startupProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 2
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /healthz, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: metrics }
        periodSeconds: 10
        timeoutSeconds: 5
      resources:
        {{- toYaml $pool.resources | nindent 8 }}
      volumeMounts:
        {{- include "aprendiz.secretMounts" .root | nindent 8 }}
        - { name: scratch, mountPath: /var/lib/aprendiz/scratch }
        - { name: cache, mountPath: /var/cache/aprendiz }
        - { name: tmp, mountPath: /tmp }
        {{- if $pool.baseModels.claim }}
        - { name: base-models, mountPath: /models, readOnly: true }
        {{- end }}
  volumes:
    {{- include "aprendiz.secretVolume" (dict "root" .root "worker" true) | nindent 4 }}
    - name: scratch
      emptyDir: { sizeLimit: {{ $pool.scratch.sizeLimit }} }
    - name: cache
      emptyDir: { sizeLimit: {{ $pool.cache.sizeLimit }} }
    - name: tmp
      emptyDir: { sizeLimit: 64Mi }
    {{- with $pool.baseModels.claim }}
    - name: base-models
      persistentVolumeClaim: { claimName: {{ . | quote }}, readOnly: true }
    {{- end }}
{{- end -}}

{{/* A condition of SQL: a worker of the pool meets the requirement r. The schema checks the labels, so they need no escapes. Argument: a pool. */}}
{{- define "aprendiz.meets" -}}
{{- $equal := list }}
{{- $greater := list }}
{{- range .backends }}{{ $equal = append $equal (printf "backend=%s" .) }}{{ end }}
{{- range .labels }}
{{- $parts := splitList "=" . }}
{{- $equal = concat $equal (list . (first $parts)) }}
{{- if regexMatch "^[a-z][a-z0-9._-]*=[0-9]{1,18}$" . }}
{{- $greater = append $greater (printf "CASE WHEN split_part(r, '>=', 1) = '%s' AND r LIKE '%%>=%%' THEN split_part(r, '>=', 2)::bigint <= %s ELSE false END" (first $parts) (last $parts)) }}
{{- end }}
{{- end -}}
r IN ('{{ join "', '" (uniq $equal) }}'){{ range $greater }} OR {{ . }}{{ end }}
{{- end -}}

{{/* The trigger of KEDA: the runs that a worker can claim now, and those that run. Argument: pool. */}}
{{- define "aprendiz.kedaTrigger" -}}
- type: postgresql
  metadata:
    {{- if .pool.autoscaling.query }}
    query: {{ .pool.autoscaling.query | quote }}
    {{- else }}
    query: >-
      SELECT count(*) FROM training_runs WHERE
      ((status IN ('queued', 'retrying') AND run_after <= statement_timestamp()) OR status IN ('running', 'cancelling'))
      AND NOT EXISTS (SELECT FROM unnest(requires) AS r WHERE NOT ({{ include "aprendiz.meets" .pool }}))
      {{- range .pool.autoscaling.requires }}
      AND '{{ . }}' = ANY (requires)
      {{- end }}
      {{- if .pool.autoscaling.kinds }}
      AND kind::text IN ('{{ join "', '" .pool.autoscaling.kinds }}')
      {{- end }}
    {{- end }}
    targetQueryValue: {{ .pool.slots | quote }}
    activationTargetQueryValue: "0"
  authenticationRef:
    name: {{ .authentication }}
{{- end -}}
